BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
    $hasCryptsetup = [bool](Get-Command cryptsetup, /usr/sbin/cryptsetup -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1

    function New-VirtualDisk([string] $Name, [string] $Format = 'Vhdx') {
        (New-EncryptedImage -Path $TestDrive/$Name -Size 4MB -Format $Format -BlockSizeBytes 1MB -Passphrase $first -Force @cheap).Path
    }
}

Describe 'VHDX and VHD' {
    It 'makes a <Format> disk with LUKS in it, for which all commands work' -ForEach @(@{ Format = 'Vhdx' }, @{ Format = 'Vhd' }) {
        $path = New-VirtualDisk "disk.$Format" $Format
        $image = Get-EncryptedImage $path
        $image.Format | Should -Be $Format
        $image.Encryption | Should -Be 'Over'
        $image.VirtualSize | Should -Be 4MB
        $image.$Format.Kind | Should -Be 'Dynamic'
        $image.$Format.BlockSize | Should -Be 1MB

        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        @(Get-KeySlot $path).Count | Should -Be 2
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
        Remove-KeySlot $path 0 -Force
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
        Resize-Image $path -Size 8MB
        (Get-EncryptedImage $path).VirtualSize | Should -Be 8MB
    }

    It 'makes what QEMU opens as LUKS over <Driver>' -Skip:(-not $hasQemu) -ForEach @(@{ Format = 'Vhdx'; Driver = 'vhdx' }, @{ Format = 'Vhd'; Driver = 'vpc' }) {
        $path = New-VirtualDisk "qemu.$Format" $Format
        Set-Content $TestDrive/qemu.key first -NoNewline
        $source = "driver=luks,key-secret=key,file.driver=$Driver,file.file.driver=file,file.file.filename=$path"
        $info = qemu-img info --object "secret,id=key,file=$TestDrive/qemu.key" --output=json --image-opts $source | ConvertFrom-Json
        $info.'virtual-size' | Should -Be 4MB
    }

    It 'makes what a guest sees as LUKS' -Skip:(-not ($hasQemu -and $hasCryptsetup)) {
        $path = New-VirtualDisk guest.vhdx
        qemu-img convert -f vhdx -O raw $path $TestDrive/guest.raw
        Set-Content $TestDrive/guest.key first -NoNewline
        /usr/sbin/cryptsetup open --test-passphrase --key-file $TestDrive/guest.key $TestDrive/guest.raw
        $LASTEXITCODE | Should -Be 0
    }

    It 'copies into <Format> and back' -ForEach @(@{ Format = 'Vhdx' }, @{ Format = 'Vhd' }) {
        $bytes = [byte[]]::new(3MB)
        [System.Random]::new(5).NextBytes([System.ArraySegment[byte]]::new($bytes, 1MB, 700KB))
        [System.IO.File]::WriteAllBytes("$TestDrive/source.raw", $bytes)
        $null = Convert-Image $TestDrive/source.raw "$TestDrive/copy.$Format" -Format Raw -DestinationFormat $Format -NewPassphrase $first -Iterations 1000
        $null = Convert-Image "$TestDrive/copy.$Format" "$TestDrive/back.$Format.raw" -DestinationFormat Raw -Plain -Passphrase $first
        (Get-FileHash "$TestDrive/back.$Format.raw").Hash | Should -Be (Get-FileHash $TestDrive/source.raw).Hash
    }

    It 'makes a differencing <Format> disk that its parent''s passphrase opens' -ForEach @(@{ Format = 'Vhdx' }, @{ Format = 'Vhd' }) {
        $parent = New-VirtualDisk "parent.$Format" $Format
        $child = New-EncryptedImage $TestDrive/child.$Format -Format $Format -BackingFile "parent.$Format"
        $child.$Format.Kind | Should -Be 'Differencing'
        $child.Backing.Path | Should -Be (Get-Item $parent).FullName
        $stream = Unlock-Image $child.Path -Passphrase $first -AsStream -ReadOnly
        try { $stream.Length | Should -Be 4MB } finally { $stream.Dispose() }
    }

    It 'refuses a differencing disk over a plain one, or with an encryption of its own' {
        $parent = New-VirtualDisk parent2.vhdx
        $null = Convert-Image $parent $TestDrive/plain.vhdx -DestinationFormat Vhdx -Plain -Passphrase $first
        { New-EncryptedImage $TestDrive/a.vhdx -Format Vhdx -BackingFile plain.vhdx -ErrorAction Stop } | Should -Throw -ErrorId 'NotEncrypted*'
        { New-EncryptedImage $TestDrive/b.vhdx -Format Vhdx -BackingFile parent2.vhdx -Size 1GB -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter*'
    }
}

Describe 'What Windows emits' {
    # The shapes of Get-VMHardDiskDrive, Get-VHD and Get-Disk, which do not run here.
    It 'binds <Name> to the path' -ForEach @(
        @{ Name = 'a VM''s drive'; Rest = @{ VMName = 'web'; ControllerType = 'SCSI'; ControllerNumber = 0; ControllerLocation = 1; DiskNumber = $null; PoolName = 'Primordial' } }
        @{ Name = 'a VHD'; Rest = @{ ComputerName = 'host'; VhdFormat = 'VHDX'; VhdType = 'Dynamic'; FileSize = 4MB; Size = 20GB; LogicalSectorSize = 512; BlockSize = 1MB; ParentPath = ''; DiskIdentifier = 'x'; Attached = $false } }
        @{ Name = 'a disk'; Rest = @{ Number = 3; FriendlyName = 'Msft Virtual Disk'; SerialNumber = 's'; Size = 20GB; PartitionStyle = 'RAW'; IsOffline = $true } }
    ) {
        $path = New-VirtualDisk piped.vhdx
        $object = [pscustomobject](@{ Path = $path } + $Rest)
        ($object | Get-EncryptedImage).Path | Should -Be $path
        $object | Test-KeySlot -Passphrase $first | Should -BeTrue
        @($object | Get-KeySlot).Count | Should -Be 1
        ($object | Convert-Image -Destination $TestDrive/piped.raw -DestinationFormat Raw -Plain -Passphrase $first -Force).VirtualSize | Should -Be 4MB
    }

    It 'compacts a <Format> disk, whose content stays' -ForEach @(@{ Format = 'Vhdx' }, @{ Format = 'Vhd' }) {
        $path = New-VirtualDisk "large.$Format" $Format
        $null = Convert-Image $path "$TestDrive/before.raw" -DestinationFormat Raw -Plain -Passphrase $first -Force
        Resize-Image $path -Size 16MB
        $image = [System.IO.File]::OpenWrite($path)
        $end = $image.Length
        if ($Format -eq 'Vhdx') { $image.SetLength($end + 8MB) }
        $image.Dispose()

        Optimize-Image $path -WhatIf
        (Get-Item $path).Length | Should -BeGreaterOrEqual $end
        (Optimize-Image $path -PassThru).Format | Should -Be $Format
        (Get-Item $path).Length | Should -BeLessOrEqual $end
        Resize-Image $path -Size 4MB -AllowShrink
        $null = Convert-Image $path "$TestDrive/after.raw" -DestinationFormat Raw -Plain -Passphrase $first -Force
        (Get-FileHash "$TestDrive/after.raw").Hash | Should -Be (Get-FileHash "$TestDrive/before.raw").Hash
    }

    It 'does not compact what has no gaps to give' {
        $qcow2 = New-TestImage other.qcow2
        { Optimize-Image $qcow2 -ErrorAction Stop } | Should -Throw -ErrorId 'CompactUnsupported*'
    }
}
