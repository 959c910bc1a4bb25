BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
    $hasCryptsetup = [bool](Get-Command cryptsetup -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1

    function New-RawImage([string] $Name = 'disk.img') { New-TestImage $Name @{ Format = 'Raw' } }

    function Get-Hash([string] $Path) { (Get-FileHash -LiteralPath $Path).Hash }

    # Overwrites a part of a file with zeros.
    function Clear-Bytes([string] $Path, [long] $Offset, [int] $Count) {
        $file = [System.IO.File]::OpenWrite($Path)
        $file.Position = $Offset
        $file.Write([byte[]]::new($Count))
        $file.Dispose()
    }
}

Describe 'Backup-LuksHeader' {
    BeforeEach {
        $path = New-RawImage
        $backup = "$TestDrive/disk.luks-header"
        Remove-Item $backup -ErrorAction Ignore
    }

    It 'writes a file that opens the disk, for its owner only' {
        $made = Backup-LuksHeader $path $backup
        $made.BackupPath | Should -Be $backup
        $made.ActiveKeySlots | Should -Be 1
        $made.Length | Should -Be (Get-Item $backup).Length
        Test-KeySlot $path -DetachedHeader $backup -Passphrase $first | Should -BeTrue
        if (-not $IsWindows) { (Get-Item $backup).UnixMode | Should -Be '-rw-------' }
    }

    It 'writes what cryptsetup writes' -Skip:(-not $hasCryptsetup) {
        $null = Backup-LuksHeader $path $backup
        cryptsetup luksHeaderBackup --header-backup-file "$TestDrive/theirs" $path
        Get-Hash $backup | Should -Be (Get-Hash "$TestDrive/theirs")
    }

    It 'names files in a folder after their images' {
        $folder = New-Item -ItemType Directory "$TestDrive/headers" -Force
        $other = New-TestImage other.qcow2
        $path, $other | Backup-LuksHeader -BackupPath $folder | Should -HaveCount 2
        Join-Path $folder disk.img.luks-header | Should -Exist
        Join-Path $folder other.qcow2.luks-header | Should -Exist
    }

    It 'replaces a file with -Force only, and nothing under -WhatIf' {
        Backup-LuksHeader $path $backup -WhatIf
        $backup | Should -Not -Exist
        Set-Content $backup 'mine'
        { Backup-LuksHeader $path $backup -ErrorAction Stop } | Should -Throw -ErrorId 'FileExists,*.BackupLuksHeaderCommand'
        Get-Content $backup | Should -Be 'mine'
        (Backup-LuksHeader $path $backup -Force).Uuid | Should -Be (Get-EncryptedImage $path).Luks.Uuid
    }

    It 'backs up an image that is in use' {
        $export = Unlock-Image $path -Passphrase $first
        try { (Backup-LuksHeader $path $backup).ActiveKeySlots | Should -Be 1 } finally { $export | Lock-Image }
    }

    It 'refuses what has no header' {
        Set-Content "$TestDrive/plain.img" ('x' * 4096)
        { Backup-LuksHeader "$TestDrive/plain.img" $backup -ErrorAction Stop } | Should -Throw -ErrorId 'NotEncrypted,*.BackupLuksHeaderCommand'
    }
}

Describe 'Restore-LuksHeader' {
    BeforeEach {
        $path = New-RawImage
        $backup = "$TestDrive/disk.luks-header"
        $null = Backup-LuksHeader $path $backup -Force
        $before = Get-Hash $path
    }

    It 'brings back every byte, and warns of the passphrases that it revives' {
        $null = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        $restored = Restore-LuksHeader $path $backup -Confirm:$false -WarningVariable warnings -WarningAction SilentlyContinue
        $restored.BackupPath | Should -Be $backup
        $warnings | Should -Match 'open .* again'
        Get-Hash $path | Should -Be $before
    }

    It 'takes what Backup-LuksHeader emits' {
        $made = Backup-LuksHeader $path "$TestDrive/emitted"
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        $made | Restore-LuksHeader -Confirm:$false -WarningAction SilentlyContinue | Should -Not -BeNullOrEmpty
        Get-Hash $path | Should -Be $before
    }

    It 'prints the plan and does nothing under -WhatIf, even with -Force' {
        $null = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        $changed = Get-Hash $path
        Restore-LuksHeader $path $backup -WhatIf -Force | Should -BeNullOrEmpty
        Get-Hash $path | Should -Be $changed
    }

    It 'refuses the backup of another disk' {
        $other = New-RawImage other.img
        { Restore-LuksHeader $other $backup -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'HeaderBackupUuidDiffers,*.RestoreLuksHeaderCommand'
        { Restore-LuksHeader $other $backup -Force -ErrorAction Stop } | Should -Throw -ErrorId 'HeaderBackupKeyDiffers,*.RestoreLuksHeaderCommand'
        Test-KeySlot $other -Passphrase $first | Should -BeTrue
    }

    It 'proves the backup by its passphrase' {
        { Restore-LuksHeader $path $backup -Passphrase $second -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.RestoreLuksHeaderCommand'
        Restore-LuksHeader $path $backup -Passphrase $first -Confirm:$false -WarningAction SilentlyContinue | Should -Not -BeNullOrEmpty
    }

    It 'restores a destroyed header with -Force only' {
        Clear-Bytes $path 0 65536
        { Restore-LuksHeader $path $backup -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'LuksHeaderDestroyed,*.RestoreLuksHeaderCommand'
        $null = Restore-LuksHeader $path $backup -Force -WarningAction SilentlyContinue
        Get-Hash $path | Should -Be $before
    }

    It 'restores the header inside qcow2, and QEMU opens the disk' -Skip:(-not $hasQemu) {
        $image = New-TestImage disk.qcow2
        $null = Backup-LuksHeader $image "$TestDrive/inside"
        $null = Set-KeySlot $image -Passphrase $first -NewPassphrase $second @cheap
        $null = Restore-LuksHeader $image "$TestDrive/inside" -Confirm:$false -WarningAction SilentlyContinue
        qemu-img check @(Get-QemuSource $image)
        $LASTEXITCODE | Should -Be 0
    }
}

Describe 'Remove-LuksHeader' {
    BeforeEach { $path = New-RawImage }

    It 'destroys all slots and tells what may still open the disk' {
        $null = Backup-LuksHeader $path "$TestDrive/copy" -Force
        $removed = Remove-LuksHeader $path -Force -WarningVariable warnings -WarningAction SilentlyContinue
        $removed.SlotsDestroyed | Should -Be 1
        $removed.StillOpens.Kind | Should -Be 'Header', 'Unseen'
        $removed.StillOpens[0].Path | Should -Be "$TestDrive/copy"
        $warnings | Should -Match 'copy'
        Get-KeySlot $path | Should -BeNullOrEmpty
        { Test-KeySlot $path -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'NoActiveKeySlot,*'
        Remove-Item "$TestDrive/copy"
    }

    It 'destroys those of qcow2 and LUKS2' {
        $image = New-TestImage
        (Remove-LuksHeader $image -Force -WarningAction SilentlyContinue).SlotsOverwritten | Should -Be 8
        $null = ConvertTo-Luks2 $path -Force -WarningAction SilentlyContinue -BackupPath "$TestDrive/before"
        (Remove-LuksHeader $path -Force -WarningAction SilentlyContinue).SlotsDestroyed | Should -Be 1
        Get-KeySlot $image, $path | Should -BeNullOrEmpty
        Remove-Item "$TestDrive/before"
    }

    It 'does nothing under -WhatIf, even with -Force' {
        $before = Get-Hash $path
        Remove-LuksHeader $path -WhatIf -Force
        Get-Hash $path | Should -Be $before
    }
}

Describe 'ConvertTo-Luks2 and ConvertTo-Luks1' {
    BeforeEach {
        $path = New-RawImage
        Remove-Item "$path.*" -ErrorAction Ignore
    }

    It 'convert there and back, after a backup beside the image' {
        $before = Get-Hash $path
        $there = ConvertTo-Luks2 $path -Confirm:$false -WarningVariable warnings -WarningAction SilentlyContinue
        $there.Version | Should -Be 'Luks2'
        $there.BackupPath | Should -Be "$path.luks1.luks-header"
        $warnings | Should -Match 'QEMU'
        (Get-EncryptedImage $path).Luks.Version | Should -Be 'Luks2'
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
        (ConvertTo-Luks1 $path -Confirm:$false).BackupPath | Should -Be "$path.luks2.luks-header"
        (Get-EncryptedImage $path).Luks.Version | Should -Be 'Luks1'
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
        $null = Restore-LuksHeader $path "$path.luks1.luks-header" -Confirm:$false -WarningAction SilentlyContinue
        Get-Hash $path | Should -Be $before
    }

    It 'are what cryptsetup opens' -Skip:(-not $hasCryptsetup) {
        [System.IO.File]::WriteAllText("$TestDrive/first.key", 'first')
        foreach ($convert in 'ConvertTo-Luks2', 'ConvertTo-Luks1') {
            $null = & $convert $path -Force -WarningAction SilentlyContinue
            cryptsetup open --test-passphrase --key-file "$TestDrive/first.key" $path
            $LASTEXITCODE | Should -Be 0
        }
    }

    It 'do nothing under -WhatIf, not even a backup' {
        $before = Get-Hash $path
        ConvertTo-Luks2 $path -WhatIf -Force
        Get-Hash $path | Should -Be $before
        "$path.luks1.luks-header" | Should -Not -Exist
    }

    It 'never replace a backup' {
        Set-Content "$path.luks1.luks-header" 'mine'
        $before = Get-Hash $path
        { ConvertTo-Luks2 $path -Force -ErrorAction Stop } | Should -Throw -ErrorId 'FileExists,*.ConvertToLuks2Command'
        Get-Hash $path | Should -Be $before
    }

    It 'refuse what is not possible' {
        { ConvertTo-Luks1 $path -Force -ErrorAction Stop } | Should -Throw -ErrorId 'ConversionNeedless,*.ConvertToLuks1Command'
        $image = New-TestImage
        { ConvertTo-Luks2 $image -Force -ErrorAction Stop } | Should -Throw -ErrorId 'ConversionEmbedded,*.ConvertToLuks2Command'
    }
}

Describe 'Repair-Image' {
    BeforeEach {
        $path = New-RawImage
        Remove-Item "$path.*" -ErrorAction Ignore
        $null = ConvertTo-Luks2 $path -Force -WarningAction SilentlyContinue
        $before = Get-Hash $path
    }

    It 'says that there is nothing to do' {
        $repair = Repair-Image $path
        $repair.Repaired | Should -BeFalse
        $repair.Finding | Should -Match 'Nothing to do'
        Get-Hash $path | Should -Be $before
    }

    It 'repairs either copy, after having said what it would do' {
        foreach ($copy in 0, 16384) {
            Clear-Bytes $path $copy 512
            $damaged = Get-Hash $path
            Repair-Image $path -WhatIf | Should -BeNullOrEmpty
            Get-Hash $path | Should -Be $damaged
            (Repair-Image $path).Repaired | Should -BeTrue
            (Repair-Image $path).Repaired | Should -BeFalse
            Test-KeySlot $path -Passphrase $first | Should -BeTrue
        }
    }
}

Describe 'Export-VolumeKey' {
    BeforeEach {
        $path = New-RawImage
        $file = "$TestDrive/disk.vk"
        Remove-Item $file -ErrorAction Ignore
    }

    It 'writes the key to a file of its owner, and nowhere else' {
        $exported = Export-VolumeKey $path $file -Passphrase $first -Force -WarningAction SilentlyContinue
        $exported.KeySize | Should -Be 512
        $exported.VolumeKeyFile | Should -Be $file
        (Get-FileBytes $file).Length | Should -Be 64
        if (-not $IsWindows) { (Get-Item $file).UnixMode | Should -Be '-rw-------' }
        $exported | ConvertTo-Json | Should -Not -Match ([System.Convert]::ToHexString((Get-FileBytes $file)))
    }

    It 'is the one of cryptsetup' -Skip:(-not $hasCryptsetup) {
        $null = Export-VolumeKey $path $file -Passphrase $first -Force -WarningAction SilentlyContinue
        cryptsetup open --test-passphrase --volume-key-file $file $path
        $LASTEXITCODE | Should -Be 0
    }

    It 'wants -Force, a right passphrase and a new file' {
        { Export-VolumeKey $path $file -Passphrase $first -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'ForceRequired,*.ExportVolumeKeyCommand'
        { Export-VolumeKey $path $file -Passphrase $second -Force -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.ExportVolumeKeyCommand'
        Export-VolumeKey $path $file -Passphrase $first -Force -WhatIf
        $file | Should -Not -Exist
        Set-Content $file 'mine'
        { Export-VolumeKey $path $file -Passphrase $first -Force -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileExists,*.ExportVolumeKeyCommand'
    }
}
