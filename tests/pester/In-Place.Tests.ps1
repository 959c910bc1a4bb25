BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
    $hasCryptsetup = [bool](Get-Command cryptsetup -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1

    function New-PlainDisk([string] $Name, [long] $Size = 3MB) {
        $path = Join-Path $TestDrive $Name
        $bytes = [byte[]]::new($Size)
        [System.Random]::new(7).NextBytes($bytes)
        [System.IO.File]::WriteAllBytes($path, $bytes)
        $path
    }

    function New-PlainVhd([string] $Name) {
        $path = Join-Path $TestDrive $Name
        $null = Convert-Image (New-PlainDisk "$Name.raw") $path -DestinationFormat Vhd -Preallocation Full -Plain
        $path
    }

    function Get-PlainHash([string] $Path, [hashtable] $With = @{}) {
        $copy = Join-Path $TestDrive 'copy.raw'
        $null = Convert-Image $Path $copy -DestinationFormat Raw -Plain -Passphrase $first -Force @With
        (Get-FileHash $copy).Hash
    }
}

Describe 'Protect-Image, Update-ImageKey, Unprotect-Image' {
    It 'encrypts, re-encrypts and decrypts a disk with <Version>, and the guest finds its bytes each time' -ForEach @(
        @{ Version = 'Luks1' }
        @{ Version = 'Luks2' }
    ) {
        $path = New-PlainDisk "whole-$Version.raw"
        $hash = (Get-FileHash $path).Hash

        $protected = Protect-Image $path -LuksVersion $Version -Passphrase $first -Force @cheap -WarningAction SilentlyContinue
        $protected.IsEncrypted | Should -BeTrue
        $protected.Luks.Version | Should -Be $Version
        $protected.VirtualSize | Should -Be 3MB
        Get-PlainHash $path | Should -Be $hash

        $updated = Update-ImageKey $path -Passphrase $first -Cipher aes-cbc-essiv:sha256 -KeySize 256 -Force @cheap
        $updated.Cipher | Should -Be 'aes-cbc-essiv:sha256'
        $updated.Luks.Version | Should -Be $Version
        Get-PlainHash $path | Should -Be $hash

        (Unprotect-Image $path -Passphrase $first -Force).IsEncrypted | Should -BeFalse
        (Get-FileHash $path).Hash | Should -Be $hash
        Get-ChildItem $TestDrive "whole-$Version*" | Should -HaveCount 1
    }

    It 'keeps the header in a file of its own' {
        $path = New-PlainDisk detached.raw
        $header = Join-Path $TestDrive detached.luks
        $hash = (Get-FileHash $path).Hash

        $protected = Protect-Image $path -DetachedHeader $header -LuksVersion Luks2 -Passphrase $first -Force @cheap -WarningAction SilentlyContinue
        $protected.Encryption | Should -Be 'Detached'
        (Get-Item $path).Length | Should -Be 3MB
        Get-PlainHash $path @{ DetachedHeader = $header; Format = 'Raw' } | Should -Be $hash

        $null = Unprotect-Image $path -DetachedHeader $header -Passphrase $first -Force
        (Get-FileHash $path).Hash | Should -Be $hash
    }

    It 'changes the passphrase with the key' {
        $path = New-TestImage rekeyed.img @{ Format = 'Raw'; LuksVersion = 'Luks2' }
        $null = Update-ImageKey $path -Passphrase $first -NewPassphrase $second -Force @cheap
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
    }

    It 'does not lose key slots unasked' {
        $path = New-TestImage slots.img @{ Format = 'Raw'; LuksVersion = 'Luks2' }
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        { Update-ImageKey $path -Passphrase $first -Force @cheap -ErrorAction Stop } | Should -Throw -ErrorId 'KeySlotsWouldBeLost,*.UpdateImageKeyCommand'
        $null = Update-ImageKey $path -Passphrase $first -DropOtherSlots -Force @cheap
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
    }

    It 'makes a disk that QEMU opens' -Skip:(-not $hasQemu) {
        $path = New-PlainDisk qemu.raw
        $hash = (Get-FileHash $path).Hash
        $null = Protect-Image $path -Passphrase $first -Force @cheap
        $copy = Join-Path $TestDrive qemu-copy.raw
        qemu-img convert -O raw @(Get-QemuSource $path) $copy
        (Get-FileHash $copy).Hash | Should -Be $hash
    }

    It 'encrypts, re-encrypts and decrypts qcow2, and QEMU finds the same bytes and clean tables each time' -Skip:(-not $hasQemu) {
        $raw = New-PlainDisk inside.raw
        $hash = (Get-FileHash $raw).Hash
        $path = Join-Path $TestDrive inside.qcow2
        qemu-img convert -O qcow2 $raw $path

        $protected = Protect-Image $path -Passphrase $first -Force @cheap
        $protected.Format | Should -Be 'Qcow2'
        $protected.Encryption | Should -Be 'Inside'
        Get-PlainHash $path | Should -Be $hash
        qemu-img check -q @(Get-QemuSource $path)
        $LASTEXITCODE | Should -Be 0

        $null = Update-ImageKey $path -Passphrase $first -NewPassphrase $second -Resilience Journal -Force @cheap
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
        (Unprotect-Image $path -Passphrase $second -Force).IsEncrypted | Should -BeFalse
        qemu-img check -q $path
        $LASTEXITCODE | Should -Be 0
        $copy = Join-Path $TestDrive inside-copy.raw
        qemu-img convert -O raw $path $copy
        (Get-FileHash $copy).Hash | Should -Be $hash
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a disk that is encrypted'; Make = { New-TestImage again.img @{ Format = 'Raw' } }; Id = 'AlreadyEncrypted' }
        @{ What = 'an encrypted qcow2 image'; Make = { New-TestImage some.qcow2 }; Id = 'AlreadyEncrypted' }
        @{ What = 'a fixed VHD, which only its end tells from a raw disk'; Make = { New-PlainVhd fixed.vhd }; Id = 'InPlaceUnsupported' }
        @{ What = 'an image that ends within a sector'; Make = { New-PlainDisk odd.raw 1000 }; Id = 'InvalidParameter' }
    ) {
        $path = & $Make
        { Protect-Image $path -Passphrase $first -Force @cheap -ErrorAction Stop } | Should -Throw -ErrorId "$Id,*.ProtectImageCommand"
    }

    It 'changes nothing under -WhatIf, not even with -Force' {
        $path = New-PlainDisk whatif.raw
        $hash = (Get-FileHash $path).Hash
        Protect-Image $path -Passphrase $first -Force -WhatIf @cheap
        (Get-FileHash $path).Hash | Should -Be $hash
    }
}

Describe 'Resume-ImageUpdate' {
    It 'says that nothing is unfinished' {
        $path = New-TestImage done.img @{ Format = 'Raw'; LuksVersion = 'Luks2' }
        { Resume-ImageUpdate $path -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'Luks2NotReencrypting,*.ResumeImageUpdateCommand'
    }

    It 'goes on with what cryptsetup began, and until then the disk is shown and refused' -Skip:(-not $hasCryptsetup) {
        $path = New-PlainDisk begun.raw 64MB
        $hash = (Get-FileHash $path).Hash
        $key = Join-Path $TestDrive key
        Set-Content $key first -NoNewline
        $header = Join-Path $TestDrive begun.luks
        cryptsetup reencrypt --encrypt --type luks2 -q --init-only --key-file $key --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --header $header $path
        $LASTEXITCODE | Should -Be 0

        $shown = Get-EncryptedImage $path -DetachedHeader $header
        $shown.Conversion.Mode | Should -Be 'Encrypt'
        $shown.Conversion.Percent | Should -Be 0
        $shown.Unusable.ErrorId | Should -Be 'Luks2ReencryptionUnfinished'

        $null = Resume-ImageUpdate $path -DetachedHeader $header -Passphrase $first
        Get-PlainHash $path @{ DetachedHeader = $header; Format = 'Raw' } | Should -Be $hash
    }
}
