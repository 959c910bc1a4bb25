BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $plain = "$TestDrive/plain.raw"
    $bytes = [byte[]]::new(8MB)
    [System.Random]::new(2).NextBytes([System.ArraySegment[byte]]::new($bytes, 1MB, 1MB))
    [System.IO.File]::WriteAllBytes($plain, $bytes)
    $new = @{ NewPassphrase = $first; Iterations = 1000 }
}

Describe 'Convert-Image' {
    It 'goes from plain raw to encrypted <Format> and back, sparse' -ForEach @(@{ Format = 'Qcow2' }, @{ Format = 'Raw' }) {
        $encrypted = "$TestDrive/encrypted.$Format"
        $image = Convert-Image $plain $encrypted -Format Raw -DestinationFormat $Format @new
        $image.IsEncrypted | Should -BeTrue
        $image.VirtualSize | Should -Be 8MB

        $back = Convert-Image $encrypted "$TestDrive/back.$Format" -DestinationFormat Raw -Plain -Passphrase $first
        $back.IsEncrypted | Should -BeFalse
        $back.AllocatedSize | Should -BeLessOrEqual ($Format -eq 'Qcow2' ? 2MB : 8MB)
        (Get-FileHash "$TestDrive/back.$Format").Hash | Should -Be (Get-FileHash $plain).Hash
    }

    It 'makes what QEMU finds identical' -Skip:(-not $hasQemu) {
        $null = Convert-Image $plain $TestDrive/compared.qcow2 -Format Raw @new -ClusterSize 4KB
        $source = Get-QemuSource $TestDrive/compared.qcow2
        qemu-img compare @source "driver=raw,file.filename=$plain"
        $LASTEXITCODE | Should -Be 0
    }

    It 'reads what QEMU compressed' -Skip:(-not $hasQemu) {
        qemu-img convert -f raw -O qcow2 -c $plain $TestDrive/compressed.qcow2
        $null = Convert-Image $TestDrive/compressed.qcow2 $TestDrive/unpacked.raw -DestinationFormat Raw -Plain
        (Get-FileHash $TestDrive/unpacked.raw).Hash | Should -Be (Get-FileHash $plain).Hash
    }

    It 'goes to LUKS2 and back, by passphrase and by volume key' {
        [System.IO.File]::WriteAllBytes("$TestDrive/volume.key", [byte[]](1..64))
        $source = "$TestDrive/source.qcow2"
        $null = New-EncryptedImage $source 8MB -VolumeKeyFile $TestDrive/volume.key -Passphrase $first -Iterations 1000
        $image = Convert-Image $source "$TestDrive/to.luks" -VolumeKeyFile $TestDrive/volume.key -DestinationFormat Raw -LuksVersion Luks2 -SectorSize 1024 `
            -Label copy -KeyslotsSize 1MB @new -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'QEMU and libvirt cannot open LUKS2'
        $image.Luks.Version, $image.Luks.Label, $image.Luks.SectorSize | Should -Be 'Luks2', 'copy', 1024
        $null = Convert-Image "$TestDrive/to.luks" "$TestDrive/from.raw" -DestinationFormat Raw -Plain -Passphrase $first
        $null = Convert-Image $source "$TestDrive/straight.raw" -DestinationFormat Raw -Plain -Passphrase $first
        (Get-FileHash "$TestDrive/from.raw").Hash | Should -Be (Get-FileHash "$TestDrive/straight.raw").Hash
        { Convert-Image $plain "$TestDrive/no.raw" -Format Raw -DestinationFormat Raw -Plain -LuksVersion Luks2 -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.ConvertImageCommand'
    }

    It 'refuses a passphrase for a plain image' {
        { Convert-Image $plain "$TestDrive/no.raw" -Format Raw -DestinationFormat Raw -Plain @new -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.ConvertImageCommand'
        "$TestDrive/no.raw" | Should -Not -Exist
    }

    It 'copies an internal snapshot' -Skip:(-not $hasQemu) {
        $disk = Join-Path $TestDrive 'snapped.qcow2'
        qemu-img create -q -f qcow2 $disk 1M
        qemu-io -c 'write -P 7 0 1M' $disk | Out-Null
        qemu-img snapshot -c monday $disk
        qemu-io -c 'write -P 8 0 1M' $disk | Out-Null
        Convert-Image $disk "$TestDrive/monday.raw" -Snapshot monday -DestinationFormat Raw -Plain | Out-Null
        (Get-FileBytes "$TestDrive/monday.raw")[0, 1048575] | Should -Be 7, 7
        { Convert-Image $disk "$TestDrive/none.raw" -Snapshot sunday -DestinationFormat Raw -Plain -ErrorAction Stop } |
            Should -Throw -ErrorId 'Qcow2SnapshotMissing,*.ConvertImageCommand'
    }

    It 'copies many images into a folder' {
        $null = New-Item -ItemType Directory $TestDrive/many, $TestDrive/out
        Copy-Item $plain $TestDrive/many/a.raw
        Copy-Item $plain $TestDrive/many/b.raw
        Convert-Image "$TestDrive/many/*.raw" $TestDrive/out -Format Raw @new | Should -HaveCount 2
        (Get-ChildItem $TestDrive/out).Name | Sort-Object | Should -Be 'a.qcow2', 'b.qcow2'
    }

    It 'gives the copy a volume key of its own' {
        $null = Convert-Image $plain $TestDrive/one.img -Format Raw -DestinationFormat Raw @new
        $null = Convert-Image $plain $TestDrive/two.img -Format Raw -DestinationFormat Raw @new
        (Get-FileHash $TestDrive/one.img).Hash | Should -Not -Be (Get-FileHash $TestDrive/two.img).Hash
    }

    It 'replaces a file with -Force only, and makes nothing under -WhatIf' {
        Set-Content $TestDrive/there.qcow2 'precious'
        { Convert-Image $plain $TestDrive/there.qcow2 -Format Raw @new -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileExists,*.ConvertImageCommand'
        Get-Content $TestDrive/there.qcow2 | Should -Be 'precious'
        Convert-Image $plain $TestDrive/whatif.qcow2 -Format Raw -WhatIf
        Test-Path $TestDrive/whatif.qcow2 | Should -BeFalse
        (Convert-Image $plain $TestDrive/there.qcow2 -Format Raw @new -Force).IsEncrypted | Should -BeTrue
    }

    It 'leaves nothing behind when the passphrase is wrong' {
        $encrypted = New-TestImage source.qcow2
        { Convert-Image $encrypted $TestDrive/never.raw -Plain -Passphrase $second -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.ConvertImageCommand'
        Get-ChildItem $TestDrive -Force -Filter '*never*' | Should -BeNullOrEmpty
    }
}
