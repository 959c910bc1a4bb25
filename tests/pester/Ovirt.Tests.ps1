BeforeDiscovery { $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore) }

# A storage domain as vdsm lays it: a template, a thin VM on it with a snapshot, and an encrypted disk.
Describe 'Get-OvirtImage' -Skip:(-not $hasQemu) {
    BeforeAll {
        . $PSScriptRoot/Setup.ps1
        $pool, $domain, $templateImage, $template, $thinImage, $internal, $leaf, $plainImage, $plain, $secretImage, $secret =
            1..11 | ForEach-Object { [guid]("{0:x8}-0000-4000-8000-000000000000" -f $_) }
        $root = Join-Path $TestDrive mnt
        $images = Join-Path $root $domain images
        $null = New-Item -ItemType Directory (Join-Path $root $domain dom_md), $images
        Set-Content (Join-Path $root $domain dom_md metadata) "CLASS=Data`nPOOL_UUID=$pool`nSDUUID=$domain`nVERSION=5"

        function Add-Meta([guid] $In, [guid] $Volume, [string] $Format, [string] $Role, [guid] $Parent = [guid]::Empty, [guid] $Image = $In) {
            Set-Content (Join-Path $images $In "$Volume.meta") @"
CAP=4194304
CTIME=1600000000
DESCRIPTION={"DiskAlias":"disk of $Image"}
DISKTYPE=DATA
DOMAIN=$domain
FORMAT=$Format
GEN=0
IMAGE=$Image
LEGALITY=LEGAL
PUUID=$Parent
TYPE=SPARSE
VOLTYPE=$Role
EOF
"@
        }

        $templateImage, $thinImage, $plainImage, $secretImage | ForEach-Object { $null = New-Item -ItemType Directory (Join-Path $images $_) }
        $base = Join-Path $images $templateImage $template
        Set-Content $base ('template' * 512KB) -NoNewline
        Add-Meta $templateImage $template RAW SHARED
        # vdsm links the template's volume into the folder of each disk that stands on it.
        foreach ($file in '', '.meta') { $null = New-Item -ItemType HardLink (Join-Path $images $thinImage "$template$file") -Target "$base$file" }
        $below = Join-Path $images $thinImage $internal
        qemu-img create -q -f qcow2 -b $template -F raw $below 4M
        Add-Meta $thinImage $internal COW INTERNAL $template
        $top = Join-Path $images $thinImage $leaf
        qemu-img create -q -f qcow2 -b $internal -F qcow2 $top 4M
        qemu-io -f qcow2 -c 'write -P 0x61 1M 64k' $top > $null
        Add-Meta $thinImage $leaf COW LEAF $internal
        Set-Content (Join-Path $images $plainImage $plain) ('plain---' * 512KB) -NoNewline
        Add-Meta $plainImage $plain RAW LEAF
        $null = New-EncryptedImage (Join-Path $images $secretImage $secret) -Format Raw -Size 2MB -Passphrase $first @cheap
        Add-Meta $secretImage $secret RAW LEAF
    }

    It 'shows the disks and templates of a domain' {
        $found = Get-OvirtImage $root
        $found.VolumeUuid | Should -Be $template, $leaf, $plain, $secret
        $found.Role | Should -Be Shared, Leaf, Leaf, Leaf
        $found.PoolUuid | Select-Object -Unique | Should -Be $pool
        $found.DomainUuid | Select-Object -Unique | Should -Be $domain
        $found[1].Alias | Should -BeExactly "disk of $thinImage"
        $found.Encryption | Should -Be None, None, None, Attached
        $found.Where{ $_.Trouble } | Should -BeNullOrEmpty
        (Get-OvirtImage (Join-Path $root $domain) -All).Count | Should -Be 6
    }

    It 'tells the chain of a thin disk' {
        $disk = Get-OvirtImage $root -ImageUuid $thinImage
        $disk.Chain | Split-Path -Leaf | Should -Be $leaf, $internal, $template
        $disk.Parent.Parent.Role | Should -Be Shared
        $disk.Image.Backing.Backing.Format | Should -Be Raw
        (Get-OvirtImage $root -VolumeUuid $internal).Role | Should -Be Internal
    }

    It 'finds by pool and domain, and says what it does not find' {
        (Get-OvirtImage $root -PoolUuid $pool -ImageUuid $plainImage).VolumeUuid | Should -Be $plain
        (Get-OvirtImage $root -DomainUuid $domain).Count | Should -Be 4
        { Get-OvirtImage $root -PoolUuid (New-Guid) -ErrorAction Stop } | Should -Throw -ErrorId 'OvirtImageMissing,*'
        { Get-OvirtImage $root -VolumeUuid (New-Guid) -ErrorAction Stop } | Should -Throw -ErrorId 'OvirtImageMissing,*'
        { Get-OvirtImage $TestDrive -ErrorAction Stop } | Should -Throw -ErrorId 'OvirtDomainInvalid,*'
    }

    It 'pipes into what reads, encrypts and wipes' {
        (Get-OvirtImage $root -ImageUuid $thinImage | Get-EncryptedImage).VirtualSize | Should -Be 4MB
        Get-OvirtImage $root -ImageUuid $secretImage | Test-KeySlot -Passphrase $first | Should -BeTrue
        $export = Get-OvirtImage $root -ImageUuid $secretImage | Unlock-Image -Passphrase $first -OutFile $TestDrive/out.raw
        (Get-Item $export.Path).Length | Should -Be 2MB

        # A thin disk becomes one encrypted image of its whole chain.
        $encrypted = Join-Path $TestDrive thin.qcow2
        $null = Get-OvirtImage $root -ImageUuid $thinImage | Convert-Image -Destination $encrypted -NewPassphrase $first @cheap
        qemu-img convert -f qcow2 -O raw $top $TestDrive/before.raw
        $null = Unlock-Image $encrypted -Passphrase $first -OutFile $TestDrive/after.raw
        (Get-FileHash $TestDrive/after.raw).Hash | Should -Be (Get-FileHash $TestDrive/before.raw).Hash

        $env:VMCRYPT_CONFIG = Join-Path $TestDrive config
        try {
            $null = Get-OvirtImage $root -ImageUuid $secretImage | Unprotect-Image -Passphrase $first -Force
            (Get-OvirtImage $root -ImageUuid $secretImage).Encryption | Should -Be None
            $wiped = Get-OvirtImage $root -ImageUuid $plainImage | Invoke-SecureWipe -Standard Zero -Force -ErrorAction Stop
            $wiped.Path | Should -BeLike "*$plain"
            [System.IO.File]::WriteAllBytes("$TestDrive/zeros", [byte[]]::new((Get-Item $wiped.Path).Length))
            (Get-FileHash $wiped.Path).Hash | Should -Be (Get-FileHash $TestDrive/zeros).Hash
        }
        finally { Remove-Item Env:VMCRYPT_CONFIG }
    }

    It 'goes on behind a volume that is damaged, and says which' {
        Add-Meta $plainImage $plain RAW NOTHING
        $found = Get-OvirtImage $root -ErrorVariable said -ErrorAction SilentlyContinue
        $found.VolumeUuid | Should -Not -Contain $plain
        $found.Count | Should -Be 3
        $said.Count | Should -Be 1
        $said[0].FullyQualifiedErrorId | Should -BeLike 'OvirtMetaInvalid,*'
    }
}
