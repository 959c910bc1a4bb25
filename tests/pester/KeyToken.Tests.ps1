BeforeDiscovery {
    $hasCryptsetup = [bool](Get-Command cryptsetup -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1

    # A LUKS2 disk whose slots 0 and 1 open by 'first' and 'second'.
    function New-Luks2Image([string] $Name = 'disk.luks') {
        $path = Join-Path $TestDrive $Name
        Set-Content "$TestDrive/first.key" first -NoNewline
        Set-Content "$TestDrive/second.key" second -NoNewline
        $stream = [System.IO.File]::Create($path)
        $stream.SetLength(17MB)
        $stream.Dispose()
        cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $path "$TestDrive/first.key"
        cryptsetup luksAddKey -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file "$TestDrive/first.key" $path "$TestDrive/second.key"
        $path
    }

    $clevis = '{"type":"clevis","keyslots":["1"],"jwe":{"ciphertext":"AA","encrypted_key":"","iv":"AA",' +
        '"protected":"eyJjbGV2aXMiOnsicGluIjoidGFuZyIsInRhbmciOnsidXJsIjoiaHR0cDovL3RhbmcifX19","tag":"AA"}}'
}

Describe 'Get-KeyToken' -Skip:(-not $hasCryptsetup) {
    BeforeEach { $path = New-Luks2Image }

    It 'lists tokens with what they need, as cryptsetup exports them' {
        $clevis | cryptsetup token import --token-id 3 $path
        cryptsetup token add --key-description vm:web $path
        $tokens = Get-KeyToken $path
        $tokens.Token | Should -Be 0, 3
        $tokens.Type | Should -BeExactly 'luks2-keyring', 'clevis'
        $tokens[0].KeySlot | Should -Be 0, 1
        "$($tokens[1].Need)" | Should -BeExactly 'tang http://tang'
        $tokens[1].Json | Should -BeExactly (cryptsetup token export --token-id 3 $path)
        (Get-KeyToken $path -Type clevis).Token | Should -Be 3
        (Get-KeyToken $path -Token 0).Need.Name | Should -BeExactly 'vm:web'
    }

    It 'refuses LUKS1 and a number that is not there' {
        { Get-KeyToken $path -Token 7 -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokenMissing,VmCrypt.Commands.Keys.GetKeyTokenCommand'
        { Get-KeyToken (New-TestImage) -ErrorAction Stop } | Should -Throw -ErrorId 'LuksVersionUnsupported,VmCrypt.Commands.Keys.GetKeyTokenCommand'
    }
}

Describe 'Add-KeyToken' -Skip:(-not $hasCryptsetup) {
    BeforeEach { $path = New-Luks2Image }

    It 'stores text, a file, or what Get-KeyToken found elsewhere' {
        Set-Content "$TestDrive/token.json" $clevis -NoNewline
        (Add-KeyToken $path -Json $clevis).Token | Should -Be 0
        (Add-KeyToken $path -JsonFile $TestDrive/token.json -KeySlot 0 -Token 5).KeySlot | Should -Be 0
        $other = New-Luks2Image other.luks
        (Get-KeyToken $path | Add-KeyToken -Path $other).Token | Should -Be 0, 1
        cryptsetup token export --token-id 0 $other | Should -BeExactly $clevis
    }

    It 'makes tokens for the kernel''s keyring' {
        $token = Add-KeyToken $path -KeyDescription vm:web
        $token.Type | Should -BeExactly 'luks2-keyring'
        $token.KeySlot | Should -Be 0, 1
        cryptsetup luksDump $path | Out-String | Should -Match 'luks2-keyring'
    }

    It 'assigns a token that is there to more slots' {
        $null = Add-KeyToken $path -Json $clevis
        (Add-KeyToken $path -Token 0 -KeySlot 0).KeySlot | Should -Be 1, 0
    }

    It 'replaces one only by -Force' {
        $null = Add-KeyToken $path -Json $clevis
        $other = '{"type":"other","keyslots":[]}'
        { Add-KeyToken $path -Json $other -Token 0 -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokensFull,VmCrypt.Commands.Keys.AddKeyTokenCommand'
        (Add-KeyToken $path -Json $other -Token 0 -Force).Type | Should -BeExactly 'other'
    }

    It 'changes nothing under -WhatIf, for what is no token, or where it is not told what' {
        $before = (Get-FileHash $path).Hash
        Add-KeyToken $path -Json $clevis -WhatIf
        { Add-KeyToken $path -Json '{"type":"x","keyslots":["9"]}' -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokenInvalid,*'
        { Add-KeyToken $path -Json 'x' -KeyDescription y -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
        { Add-KeyToken $path -Token 1 -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
        (Get-FileHash $path).Hash | Should -Be $before
    }
}

Describe 'Remove-KeyToken' -Skip:(-not $hasCryptsetup) {
    BeforeEach {
        $path = New-Luks2Image
        $null = Add-KeyToken $path -Json $clevis -KeySlot 0, 1
    }

    It 'removes a token and leaves its slots' {
        Remove-KeyToken $path 0 -Force
        Get-KeyToken $path | Should -BeNullOrEmpty
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
    }

    It 'takes a slot from it, and what Get-KeyToken finds' {
        Remove-KeyToken $path 0 -KeySlot 1 -Confirm:$false
        (Get-KeyToken $path).KeySlot | Should -Be 0
        Get-KeyToken $path | Remove-KeyToken -Confirm:$false
        Get-KeyToken $path | Should -BeNullOrEmpty
    }

    It 'does nothing under -WhatIf, even with -Force' {
        $before = (Get-FileHash $path).Hash
        Remove-KeyToken $path 0 -WhatIf -Force
        (Get-FileHash $path).Hash | Should -Be $before
    }
}

Describe 'Unlocking by a token' -Skip:(-not $hasCryptsetup) {
    It 'says why a token gives no passphrase, and never asks for another' {
        $path = New-Luks2Image
        $null = Add-KeyToken $path -Json '{"type":"systemd-tpm2","keyslots":["1"]}'
        { Test-KeySlot $path -Token 0 -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokenUnsupported,*'
        { Unlock-Image $path -Token 1 -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokenMissing,*'
        { Add-KeySlot $path -AnyToken -NewPassphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokenMissing,*'
        { Test-KeySlot $path -Token 0 -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'SecretAmbiguous,*'
    }

    It 'opens, tests and re-keys by what clevis says' -Skip:(-not (Get-Command clevis-encrypt-null, jose -ErrorAction Ignore)) {
        # The null pin encrypts under nothing: all of clevis but a server.
        $path = New-Luks2Image
        Set-Content "$TestDrive/jwe" (bash -c "printf second | clevis encrypt null '{}'") -NoNewline
        $null = Add-KeyToken $path -Json "{`"type`":`"clevis`",`"keyslots`":[`"1`"],`"jwe`":$(jose jwe fmt --input "$TestDrive/jwe")}"
        Test-KeySlot $path -Token 0 | Should -BeTrue
        Test-KeySlot $path -Token 0 -Slot 1 | Should -BeTrue
        { Test-KeySlot $path -Token 0 -Slot 0 -ErrorAction Stop } | Should -Throw -ErrorId 'KeyTokenUnassigned,*'
        $null = Add-KeySlot $path -AnyToken -NewPassphrase (ConvertTo-Secret 'third') @cheap
        Test-KeySlot $path -Passphrase (ConvertTo-Secret 'third') | Should -BeTrue
        Unlock-Image $path -Token 0 -OutFile "$TestDrive/plain.raw" | Out-Null
        (Get-Item "$TestDrive/plain.raw").Length | Should -Be 1MB
        $null = Set-KeySlot $path -Token 0 -NewPassphrase (ConvertTo-Secret 'changed') @cheap
        Test-KeySlot $path -Token 0 | Should -BeFalse
    }
}

Describe 'Add-RecoveryKey' {
    It 'makes a key that opens in any spelling, and marks its slot in LUKS2' -Skip:(-not $hasCryptsetup) {
        $path = New-Luks2Image
        $sheet = Add-RecoveryKey $path -Passphrase $first -AsPlainText
        $sheet.Slot | Should -Be 2
        $sheet.RecoveryKey | Should -MatchExactly '^([cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}$'
        Test-KeySlot $path -Passphrase (ConvertTo-Secret $sheet.RecoveryKey.ToUpper().Replace('-', '')) -Slot 2 | Should -BeTrue
        (Get-KeyToken $path).Type | Should -BeExactly 'systemd-recovery'
        Set-Content "$TestDrive/recovery.key" $sheet.RecoveryKey -NoNewline
        cryptsetup open --test-passphrase --key-file "$TestDrive/recovery.key" $path
        $LASTEXITCODE | Should -Be 0
    }

    It 'does so for LUKS1 without a token, and keeps the key secret unless it is told not to' {
        $path = New-TestImage
        $sheet = Add-RecoveryKey $path -Passphrase $first
        $sheet.RecoveryKey | Should -BeOfType securestring
        $sheet.Token | Should -BeNullOrEmpty
        Test-KeySlot $path -Passphrase $sheet.RecoveryKey | Should -BeTrue
    }

    It 'changes nothing under -WhatIf' {
        $path = New-TestImage
        $before = (Get-FileHash $path).Hash
        Add-RecoveryKey $path -Passphrase $first -WhatIf
        (Get-FileHash $path).Hash | Should -Be $before
    }
}
