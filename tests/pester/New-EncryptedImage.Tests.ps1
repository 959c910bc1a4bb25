BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
    $hasCryptsetup = [bool](Get-Command cryptsetup, /usr/sbin/cryptsetup -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
}

Describe 'New-EncryptedImage' {
    It 'makes a qcow2 disk with LUKS inside' {
        $image = New-EncryptedImage -Path $TestDrive/new.qcow2 -Size 20MB -Passphrase $first @cheap
        $image.Format | Should -Be 'Qcow2'
        $image.Encryption | Should -Be 'Inside'
        $image.VirtualSize | Should -Be 20MB
        $image.Cipher | Should -BeExactly 'aes-xts-plain64'
        $image.KeySize | Should -Be 512
        $image.ActiveKeySlots | Should -Be 1
        Test-KeySlot -Path $image.Path -Passphrase $first | Should -BeTrue
    }

    It 'makes a disk that QEMU checks and finds sound' -Skip:(-not $hasQemu) {
        $path = New-TestImage qemu.qcow2
        qemu-img check @(Get-QemuSource $path)
        $LASTEXITCODE | Should -Be 0
    }

    It 'makes a raw disk that cryptsetup opens' -Skip:(-not $hasCryptsetup) {
        $image = New-EncryptedImage $TestDrive/raw.img 4MB -Format Raw -Cipher aes-cbc-essiv:sha256 -Hash Sha512 -Passphrase $first @cheap
        $image.Encryption | Should -Be 'Attached'
        $image.KeySize | Should -Be 256
        Set-Content $TestDrive/key first -NoNewline
        /usr/sbin/cryptsetup open --test-passphrase --key-file $TestDrive/key $($image.Path)
        $LASTEXITCODE | Should -Be 0
    }

    It 'makes LUKS2 that cryptsetup opens, and says who cannot' -Skip:(-not $hasCryptsetup) {
        $image = New-EncryptedImage $TestDrive/new.luks 4MB -Format Raw -LuksVersion Luks2 -Label backup -Subsystem vm -SectorSize 512 -MetadataSize 32KB `
            -KeyslotsSize 1MB -Kdf Argon2i -Iterations 4 -Memory 32KB -Parallel 1 -Passphrase $first -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'QEMU and libvirt cannot open LUKS2'
        $image.Luks.Version | Should -Be 'Luks2'
        Set-Content $TestDrive/key first -NoNewline
        /usr/sbin/cryptsetup open --test-passphrase --key-file $TestDrive/key $image.Path
        $LASTEXITCODE | Should -Be 0
        $dump = (/usr/sbin/cryptsetup luksDump $image.Path) -join "`n"
        $dump | Should -Match 'Label:\s+backup'
        $dump | Should -Match 'Subsystem:\s+vm'
        $dump | Should -Match 'Metadata area:\s+32768'
        $dump | Should -Match 'Keyslots area:\s+1048576'
        $dump | Should -Match 'PBKDF:\s+argon2i\b'
        $dump | Should -Match 'sector: 512'
    }

    It 'puts LUKS2 over qcow2, beside it, and never inside' {
        $luks2 = @{ LuksVersion = 'Luks2'; KeyslotsSize = 1MB; Passphrase = $first; WarningAction = 'Ignore' }
        (New-EncryptedImage $TestDrive/over.qcow2 4MB -Over @luks2 @cheap).Encryption | Should -Be 'Over'
        (New-EncryptedImage $TestDrive/beside.qcow2 4MB -DetachedHeader $TestDrive/beside.luks @luks2 @cheap).Encryption | Should -Be 'Detached'
        { New-EncryptedImage $TestDrive/inside.qcow2 4MB @luks2 @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'LuksVersionUnsupported,*.NewEncryptedImageCommand'
    }

    It 'keeps the header apart' {
        $image = New-EncryptedImage $TestDrive/payload.img 4MB -Format Raw -DetachedHeader $TestDrive/header -Passphrase $first @cheap
        $image.Encryption | Should -Be 'Detached'
        (Get-Item $TestDrive/payload.img).Length | Should -Be 4MB
        Test-KeySlot $TestDrive/payload.img -Format Raw -DetachedHeader $TestDrive/header -Passphrase $first | Should -BeTrue
    }

    It 'makes an overlay as large as its backing image' {
        $base = New-TestImage base.qcow2
        $overlay = New-EncryptedImage $TestDrive/overlay.qcow2 -BackingFile base.qcow2 -BackingFormat Qcow2 -Passphrase $second @cheap
        $overlay.VirtualSize | Should -Be 4MB
        $overlay.Backing.Path | Should -Be (Get-Item $base).FullName
    }

    It 'takes a key file, raw, and a part of one' {
        [System.IO.File]::WriteAllText("$TestDrive/raw.key", "xxxxsecret`nyyyy")
        $null = New-EncryptedImage $TestDrive/keyed.qcow2 4MB -KeyFile $TestDrive/raw.key -KeyFileOffset 4 -KeyFileSize 7 @cheap
        Test-KeySlot $TestDrive/keyed.qcow2 -Passphrase (ConvertTo-Secret "secret`n") | Should -BeTrue
    }

    It 'warns of a key that QEMU cannot take' {
        [System.IO.File]::WriteAllBytes("$TestDrive/binary.key", [byte[]](0..255))
        $null = New-EncryptedImage $TestDrive/binary.qcow2 4MB -KeyFile $TestDrive/binary.key @cheap -WarningVariable warned -WarningAction SilentlyContinue
        $warned | Should -Match 'QEMU'
    }

    It 'takes a credential' {
        $credential = [pscredential]::new('anybody', $second)
        $null = New-EncryptedImage $TestDrive/credential.qcow2 4MB -Credential $credential @cheap
        Test-KeySlot $TestDrive/credential.qcow2 -Passphrase $second | Should -BeTrue
    }

    It 'understands sizes beyond those of PowerShell' {
        (New-EncryptedImage $TestDrive/big.qcow2 '1.5TiB' -Passphrase $first @cheap).VirtualSize | Should -Be 1.5TB
    }

    It 'changes nothing under -WhatIf, and asks for no secret' {
        New-EncryptedImage $TestDrive/whatif.qcow2 4MB -WhatIf
        Get-ChildItem $TestDrive -Force -Filter '*whatif*' | Should -BeNullOrEmpty
    }

    It 'replaces a file with -Force only' {
        $path = New-TestImage there.qcow2
        $before = Get-FileHash $path
        { New-EncryptedImage $path 4MB -Passphrase $second @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileExists,*.NewEncryptedImageCommand'
        (Get-FileHash $path).Hash | Should -Be $before.Hash
        $null = New-EncryptedImage $path 4MB -Passphrase $second @cheap -Force
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
    }

    It 'refuses <Name>' -ForEach @(
        @{ Name = 'no size'; With = @{}; Id = 'MissingMandatoryParameter' }
        @{ Name = 'an unknown cipher'; With = @{ Size = 4MB; Cipher = 'rot13' }; Id = 'CipherSpecInvalid' }
        @{ Name = 'a cipher that cannot be'; With = @{ Size = 4MB; Cipher = 'cast5-xts-plain64' }; Id = 'CipherUnsupported' }
        @{ Name = 'a key size that the cipher lacks'; With = @{ Size = 4MB; KeySize = 100 }; Id = 'KeySizeInvalid' }
        @{ Name = 'two costs'; With = @{ Size = 4MB; Iterations = 1000; IterTime = 10 }; Id = 'InvalidParameter' }
        @{ Name = 'Argon2 in LUKS1'; With = @{ Size = 4MB; Kdf = 'Argon2id' }; Id = 'KdfCostInvalid' }
        @{ Name = 'memory for PBKDF2'; With = @{ Size = 4MB; Kdf = 'Pbkdf2'; Memory = 1MB; Iterations = 1000 }; Id = 'InvalidParameter' }
        @{ Name = 'a label in LUKS1'; With = @{ Size = 4MB; Label = 'x' }; Id = 'InvalidParameter' }
        @{ Name = 'clusters of a raw image'; With = @{ Size = 4MB; Format = 'Raw'; ClusterSize = 65536 }; Id = 'InvalidParameter' }
        @{ Name = 'a backing file without its format'; With = @{ Size = 4MB; BackingFile = 'x' }; Id = 'InvalidParameter' }
    ) {
        { New-EncryptedImage $TestDrive/refused.qcow2 -Passphrase $first -ErrorAction Stop @With } |
            Should -Throw -ErrorId "$Id,*.NewEncryptedImageCommand"
        Test-Path $TestDrive/refused.qcow2 | Should -BeFalse
    }

    It 'refuses two secrets at once, and an empty one' {
        { New-EncryptedImage $TestDrive/refused.qcow2 4MB -Passphrase $first -KeyFile $TestDrive/raw.key -ErrorAction Stop } |
            Should -Throw -ErrorId 'SecretAmbiguous,*.NewEncryptedImageCommand'
        { New-EncryptedImage $TestDrive/refused.qcow2 4MB -Passphrase ([securestring]::new()) -ErrorAction Stop } |
            Should -Throw -ErrorId 'SecretEmpty,*.NewEncryptedImageCommand'
        Test-Path $TestDrive/refused.qcow2 | Should -BeFalse
    }
}
