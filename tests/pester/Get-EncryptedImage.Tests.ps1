BeforeAll {
    . $PSScriptRoot/Setup.ps1
}

Describe 'Get-EncryptedImage' {
    BeforeAll {
        $path = New-TestImage
        Set-Content -LiteralPath "$TestDrive/raw[1].img" ('x' * 4096) -NoNewline
    }

    It 'describes without a key' {
        $image = Get-EncryptedImage $path
        $image.IsEncrypted | Should -BeTrue
        $image.Luks.Slots.Where{ $_.IsActive } | Should -HaveCount 1
        $image.Qcow2.ClusterSize | Should -Be 64KB
        $image.Weaknesses.Id | Should -Contain 'FewIterations'
        $image.InUse | Should -BeFalse
    }

    It 'has lists that can be indexed' {
        $image = Get-EncryptedImage $path
        $image.Luks.Slots[3].Number | Should -Be 3
        $image.Weaknesses[0].Id | Should -BeOfType [string]
        $image.Snapshots.Count | Should -Be 0
        $image.Qcow2.IncompatibleFeatures.Count | Should -Be 0
    }

    It 'takes wildcards, files and objects' {
        Get-EncryptedImage "$TestDrive/*.qcow2" | Should -HaveCount 1
        (Get-ChildItem $TestDrive -File | Get-EncryptedImage).Count | Should -Be 2
        (Get-EncryptedImage $path | Get-EncryptedImage).Path | Should -Be $path
        (Get-EncryptedImage -LiteralPath "$TestDrive/raw[1].img").IsEncrypted | Should -BeFalse
        (Get-EncryptedImage "$TestDrive/raw[1].img").Format | Should -Be 'Raw'
    }

    It 'shows a table by default and everything as a list' {
        $table = Get-EncryptedImage $path | Out-String -Width 200
        $table | Should -Match 'Encryption +Cipher'
        $table | Should -Match '4 MiB'
        $list = Get-EncryptedImage $path | Format-List | Out-String -Width 200
        $list | Should -Match 'KeySlots +: 0: pbkdf2 sha256, 1000 iterations'
    }

    It 'reads an image that is in use, and says so' {
        $export = Unlock-Image $path -Passphrase $first
        try { (Get-EncryptedImage $path).InUse | Should -BeTrue }
        finally { $export | Lock-Image }
    }

    It 'says why an image cannot be used' {
        $overlay = New-EncryptedImage $TestDrive/orphan.qcow2 -BackingFile disk.qcow2 -BackingFormat Qcow2 -Passphrase $first @cheap
        Rename-Item $path moved.qcow2
        try { (Get-EncryptedImage $overlay.Path).Unusable.ErrorId | Should -BeExactly 'ReferencedFileMissing' }
        finally { Rename-Item $TestDrive/moved.qcow2 disk.qcow2 }
    }

    It 'opens no file outside the folder, unless it is allowed' {
        $null = New-Item -ItemType Directory $TestDrive/elsewhere
        $null = New-EncryptedImage $TestDrive/elsewhere/base.qcow2 4MB -Passphrase $first @cheap
        $overlay = New-EncryptedImage $TestDrive/fenced.qcow2 -BackingFile elsewhere/base.qcow2 -BackingFormat Qcow2 -Passphrase $first @cheap
        Move-Item $TestDrive/elsewhere/base.qcow2 $TestDrive/elsewhere/deep.qcow2
        $null = New-Item -ItemType Directory $TestDrive/sub
        $outside = New-EncryptedImage $TestDrive/sub/outside.qcow2 -BackingFile ../disk.qcow2 -BackingFormat Qcow2 -Passphrase $first @cheap -ErrorAction Ignore
        (Get-EncryptedImage $TestDrive/sub/outside.qcow2).Unusable.ErrorId | Should -BeExactly 'PathFenced'
        (Get-EncryptedImage $TestDrive/sub/outside.qcow2 -AllowedFolder $TestDrive).Unusable | Should -BeNullOrEmpty
        (Get-EncryptedImage $TestDrive/sub/outside.qcow2 -References Never).Unusable.ErrorId | Should -BeExactly 'ReferenceNotFollowed'
    }

    It 'goes on after an error' {
        $images = Get-EncryptedImage "$TestDrive/nothing.img", $path -ErrorVariable failed -ErrorAction SilentlyContinue
        $images | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -BeExactly 'FileNotFound,VmCrypt.Commands.Images.GetEncryptedImageCommand'
        $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $failed[0].TargetObject | Should -Be "$TestDrive/nothing.img"
    }

    It 'finds no file for a wildcard that fits none' {
        { Get-EncryptedImage "$TestDrive/*.vhdx" -ErrorAction Stop } | Should -Throw -ErrorId 'FileNotFound,*.GetEncryptedImageCommand'
    }
}
