BeforeAll {
    . $PSScriptRoot/Setup.ps1
    function Write-At([string] $Path, [long] $Offset, [string] $Text) {
        $file = [System.IO.File]::OpenWrite($Path)
        try {
            $file.Position = $Offset
            $file.Write([System.Text.Encoding]::ASCII.GetBytes($Text))
        }
        finally { $file.Dispose() }
    }
}

Describe 'Test-ImageEncryption' {
    BeforeAll {
        $path = New-TestImage
        $disk = Unlock-Image $path -Passphrase $first
        qemu-io -f raw -c 'write -P 65 0 256k' $disk.Uri | Out-Null
        $disk | Lock-Image
    }

    It 'goes by what shows without a key' {
        $proof = Test-ImageEncryption $path
        $proof.Verdict | Should -Be 'Encrypted'
        $proof.Confidence | Should -Be 'Declared'
        $proof.Bytes.Ciphertext | Should -BeGreaterOrEqual 256KB
        $proof.Findings.Count | Should -Be 0
        $proof.Layers[0].Path | Should -Be $path
    }

    It 'proves with the key' {
        $proof = Test-ImageEncryption $path -Passphrase $first -Full
        $proof.Confidence | Should -Be 'Full'
        $proof.Bytes.Structured | Should -BeGreaterOrEqual 256KB
        $proof.Layers[0].OpenedSlot | Should -Be 0
    }

    It 'does not take a wrong key' {
        { Test-ImageEncryption $path -Passphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase*'
    }

    It 'says where something is plain' {
        $copy = "$TestDrive/mixed.qcow2"
        Copy-Item $path $copy
        $end = (Get-Item $copy).Length
        Write-At $copy $end ('secret words ' * 40)
        $proof = Test-ImageEncryption $copy
        $proof.Verdict | Should -Be 'Mixed'
        $proof.Findings[0].HostOffset | Should -Be $end
        $proof | Format-List | Out-String -Width 200 | Should -Match "Text in mixed.qcow2 at $end"
    }

    It 'takes objects and files from the pipeline' {
        (Get-EncryptedImage $path | Test-ImageEncryption).Verdict | Should -Be 'Encrypted'
        (Get-Item $path | Test-ImageEncryption | Out-String -Width 200) | Should -Match 'Encrypted +Declared'
    }

    It 'writes a report, but not over another file' {
        $report = "$TestDrive/report.html"
        $null = Test-ImageEncryption $path -Report $report
        Get-Content $report -Raw | Should -Match '<title>Encryption of disk.qcow2</title>'
        { Test-ImageEncryption $path -Report $report -ErrorAction Stop } | Should -Throw -ErrorId 'FileExists*'
        $null = Test-ImageEncryption $path -Report $report -Force
        $null = Test-ImageEncryption $path -Report $TestDrive
        "$TestDrive/disk.qcow2.html" | Should -Exist
    }

    It 'takes inventory of folders' {
        $folder = New-Item "$TestDrive/pool/a/b" -ItemType Directory
        Copy-Item $path "$folder/one.qcow2"
        Set-Content "$TestDrive/pool/plain.img" ('x' * 1MB) -NoNewline
        Set-Content "$TestDrive/pool/broken.qcow2" 'QFI' -NoNewline
        Set-Content "$TestDrive/pool/readme.txt" 'no disk'

        $records = Test-ImageEncryption "$TestDrive/pool" -Recurse -Passphrase $second
        $records | ForEach-Object { "$(Split-Path $_.Path -Leaf) $($_.Verdict)" } | Sort-Object |
            Should -Be 'broken.qcow2 Unproven', 'one.qcow2 Encrypted', 'plain.img Plain'
        ($records | Where-Object Verdict -eq Encrypted).NotChecked[-1] | Should -Match 'passphrase'

        $images = Get-EncryptedImage "$TestDrive/pool" -Recurse
        $images.Standing | Group-Object -NoElement | ForEach-Object { "$($_.Count) $($_.Name)" } | Should -Be '1 Weak', '2 Plain'
    }

    It 'writes a report of each disk below a folder' {
        $folder = "$TestDrive/twins"
        $null = New-Item "$folder/a_b", "$folder/a", "$TestDrive/reports" -ItemType Directory
        Copy-Item $path "$folder/a_b/c.qcow2"
        Copy-Item $path "$folder/a/b_c.qcow2"
        $null = Test-ImageEncryption $folder -Recurse -Report "$TestDrive/reports"
        @(Get-ChildItem "$TestDrive/reports").Count | Should -Be 2
    }

    It 'makes records of what cannot be read' {
        $bad = New-Item "$TestDrive/bad" -ItemType Directory
        Copy-Item $path "$bad/cut.qcow2"
        $file = [System.IO.File]::OpenWrite("$bad/cut.qcow2")
        $file.SetLength(40)
        $file.Dispose()

        $record = Test-ImageEncryption $bad -Recurse
        $record.Verdict | Should -Be 'Unreadable'
        $record.ErrorId | Should -Not -BeNullOrEmpty
        $image = Get-EncryptedImage $bad -Recurse
        $image.Standing | Should -Be 'Unknown'
        $image.Unusable.ErrorId | Should -Be $record.ErrorId
    }
}
