BeforeDiscovery {
    $hasNbdcopy = [bool](Get-Command nbdcopy -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $data = "$TestDrive/data.raw"
    $bytes = [byte[]]::new(4MB)
    [System.Random]::new(1).NextBytes($bytes)
    [System.IO.File]::WriteAllBytes($data, $bytes)
}

Describe 'Unlock-Image by a volume key' {
    It 'serves LUKS2 to QEMU, which cannot open it' -Skip:(-not (Get-Command qemu-io -ErrorAction Ignore)) {
        [System.IO.File]::WriteAllBytes("$TestDrive/volume.key", [byte[]](1..64))
        $path = New-TestImage served.luks @{ Format = 'Raw'; LuksVersion = 'Luks2'; KeyslotsSize = 1MB; VolumeKeyFile = "$TestDrive/volume.key"; WarningAction = 'Ignore' }
        $export = Unlock-Image $path -VolumeKeyFile $TestDrive/volume.key
        try {
            qemu-io -f raw -c 'write -P 7 0 1M' -c flush $export.Uri | Out-Null
            $LASTEXITCODE | Should -Be 0
        } finally { $export | Lock-Image }

        $null = Unlock-Image $path -Passphrase $first -OutFile $TestDrive/read.raw
        (Get-FileBytes $TestDrive/read.raw)[0, 1048575] | Should -Be 7, 7
    }
}

Describe 'Unlock-Image' {
    BeforeEach { $path = New-TestImage }

    It 'serves the plain disk over NBD until it is locked' -Skip:(-not $hasNbdcopy) {
        $export = Unlock-Image $path -Passphrase $first
        $export.Uri | Should -Match '^nbd\+unix:'
        $export.IsRunning | Should -BeTrue
        nbdcopy $data $export.Uri
        $export | Lock-Image
        $export.IsRunning | Should -BeFalse

        $again = Unlock-Image $path -Passphrase $first -ReadOnly
        nbdcopy $again.Uri $TestDrive/read.raw
        Lock-Image $path
        (Get-FileHash $TestDrive/read.raw).Hash | Should -Be (Get-FileHash $data).Hash
        $again.IsRunning | Should -BeFalse
    }

    It 'serves by TCP on the loopback address' {
        $export = Unlock-Image $path -Passphrase $first -Port 0
        try {
            $export.Uri | Should -Match '^nbd://127\.0\.0\.1:\d+/'
            (Get-EncryptedImage $export.Uri -Format Raw).VirtualSize | Should -Be 4MB
        } finally { $export | Lock-Image }
    }

    It 'keeps writers away from a read-only export' {
        $export = Unlock-Image $path -Passphrase $first -ReadOnly
        try {
            { Convert-Image $data $export.Uri -Format Raw -DestinationFormat Raw -Plain -Force -ErrorAction Stop } |
                Should -Throw -ErrorId '*,*.ConvertImageCommand'
        } finally { $export | Lock-Image }
    }

    It 'gives a stream that owns the disk' {
        $stream = Unlock-Image $path -Passphrase $first -AsStream
        $stream.Length | Should -Be 4MB
        $stream.Position = 1000
        $stream.Write([byte[]](1, 2, 3), 0, 3)
        $stream.Dispose()

        $stream = Unlock-Image $path -Passphrase $first -AsStream -ReadOnly
        try {
            $stream.CanWrite | Should -BeFalse
            $stream.Position = 999
            $read = [byte[]]::new(5)
            $stream.ReadExactly($read, 0, 5)
            $read | Should -Be 0, 1, 2, 3, 0
        } finally { $stream.Dispose() }
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
    }

    It 'writes a plain copy' {
        $stream = Unlock-Image $path -Passphrase $first -AsStream
        $stream.Write([byte[]](7, 8, 9), 0, 3)
        $stream.Dispose()
        $copy = Unlock-Image $path -Passphrase $first -OutFile $TestDrive/copy.raw
        $copy.VirtualSize | Should -Be 4MB
        $copy.IsEncrypted | Should -BeFalse
        $copy.AllocatedSize | Should -BeLessThan 1MB
        (Get-FileBytes $TestDrive/copy.raw)[0..2] | Should -Be 7, 8, 9
        { Unlock-Image $path -Passphrase $first -OutFile $TestDrive/copy.raw -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileExists,*.UnlockImageCommand'
    }

    It 'opens a chain whose images have passphrases of their own' {
        $overlay = New-EncryptedImage $TestDrive/layer.qcow2 -BackingFile disk.qcow2 -BackingFormat Qcow2 -Passphrase $second @cheap
        $stream = Unlock-Image $path -Passphrase $first -AsStream
        $stream.Write([byte[]](5, 6), 0, 2)
        $stream.Dispose()

        $stream = Unlock-Image $overlay.Path -Passphrase $second -LayerPassphrase @{ 'disk.qcow2' = $first } -AsStream -ReadOnly
        try { $stream.ReadByte() | Should -Be 5 } finally { $stream.Dispose() }
        { Unlock-Image $overlay.Path -Passphrase $second -AsStream -ReadOnly -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.UnlockImageCommand'
        Remove-Item $overlay.Path
    }

    It 'refuses a wrong passphrase, an image in use, and ways that exclude each other' {
        { Unlock-Image $path -Passphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase,*.UnlockImageCommand'
        { Unlock-Image $path -Passphrase $first -AsStream -Port 0 -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
        $export = Unlock-Image $path -Passphrase $first
        try {
            { Unlock-Image $path -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'ImageInUse,*.UnlockImageCommand'
        } finally { $export | Lock-Image }
    }

    It 'serves nothing under -WhatIf' {
        Unlock-Image $path -Passphrase $first -WhatIf | Should -BeNullOrEmpty
        (Get-EncryptedImage $path).InUse | Should -BeFalse
    }
}

Describe 'Lock-Image' {
    It 'ends all exports, or says that there is none' {
        $a = New-TestImage a.qcow2
        $b = New-TestImage b.qcow2
        $exports = Unlock-Image $a, $b -Passphrase $first
        $exports | Should -HaveCount 2
        Lock-Image -All
        $exports.IsRunning | Should -Be $false, $false
        { Lock-Image $a -ErrorAction Stop } | Should -Throw -ErrorId 'ExportMissing,*.LockImageCommand'
    }

    It 'ends what a vmcrypt serves' {
        $path = New-TestImage foreign.qcow2
        Set-Content $TestDrive/passphrase first
        $vmcrypt = Join-Path $PSScriptRoot '../../output/bin/vmcrypt'
        $server = Start-Process $vmcrypt "Unlock-Image $path -Passphrase file:$TestDrive/passphrase" -PassThru -RedirectStandardOutput $TestDrive/served.json
        while (-not (Get-Content $TestDrive/served.json -ErrorAction Ignore)) { Start-Sleep -Milliseconds 50 }
        Lock-Image $path
        $server.WaitForExit(10000) | Should -BeTrue
        $server.ExitCode | Should -Be 0
    }

    It 'ends one of the disks that a vmcrypt serves, and leaves the other' {
        $one = New-TestImage one.qcow2
        $other = New-TestImage other.qcow2
        Set-Content $TestDrive/passphrase first
        $vmcrypt = Join-Path $PSScriptRoot '../../output/bin/vmcrypt'
        $server = Start-Process $vmcrypt "Unlock-Image $one,$other -Passphrase file:$TestDrive/passphrase" -PassThru -RedirectStandardOutput $TestDrive/both.json
        while (@(Get-Content $TestDrive/both.json -ErrorAction Ignore).Count -lt 2) { Start-Sleep -Milliseconds 50 }
        Lock-Image $one
        (Get-EncryptedImage $one, $other).InUse | Should -Be $false, $true
        Lock-Image $other
        $server.WaitForExit(10000) | Should -BeTrue
        $server.ExitCode | Should -Be 0
    }
}
