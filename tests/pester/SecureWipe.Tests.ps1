BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $env:VMCRYPT_CONFIG = "$TestDrive/config"

    # A file of noise in $TestDrive.
    function New-Noise([string] $Name, [int] $Size = 2MB) {
        $bytes = [byte[]]::new($Size)
        [System.Random]::new(3).NextBytes($bytes)
        [System.IO.File]::WriteAllBytes("$TestDrive/$Name", $bytes)
        "$TestDrive/$Name"
    }

    # Whether every byte of a file is the same.
    function Test-Filled([string] $Path, [byte] $Value) {
        [byte[]] $bytes = Get-FileBytes $Path
        $expected = [byte[]]::new($bytes.Length)
        [array]::Fill($expected, $Value)
        [System.Linq.Enumerable]::SequenceEqual($bytes, $expected)
    }
}

AfterAll {
    Remove-Item Env:VMCRYPT_CONFIG
}

Describe 'Invoke-SecureWipe' {
    It 'overwrites every byte and says so' {
        $path = New-Noise a.img
        $result = Invoke-SecureWipe $path DoD7 -Verify AllPasses -Confirm:$false
        $result.Path | Should -Be $path
        $result.Passes.Content | Should -Be 'random stream', '0x00', '0xFF', 'random stream', 'random stream', '0x00', '0xFF'
        $result.Passes.VerifiedBytes | Should -Be (@(2MB) * 7)
        $result.Status | Should -BeIn 'Erased', 'ErasedWithExceptions'
        Test-Filled $path 0xFF | Should -BeTrue
    }

    It 'takes files and objects from the pipeline, several at once' {
        1..5 | ForEach-Object { $null = New-Noise "many$_.img" 100KB }
        $results = Get-ChildItem $TestDrive/many*.img | Invoke-SecureWipe -Standard Zero -After Delete -ThrottleLimit 3 -Confirm:$false
        $results | Should -HaveCount 5
        $results.After | Should -Be (@('Delete') * 5)
        Get-ChildItem $TestDrive/many*.img | Should -BeNullOrEmpty
    }

    It 'prints the plan under -WhatIf, and changes nothing' {
        $path = New-Noise whatif.img
        $before = Get-FileHash $path
        Invoke-SecureWipe $path DoD -Force -WhatIf
        (Get-FileHash $path).Hash | Should -Be $before.Hash
    }

    It 'wipes host bytes of an image, not what the guest sees' -Skip:(-not $hasQemu) {
        $path = "$TestDrive/disk.qcow2"
        $null = qemu-img create -q -f qcow2 $path 8M
        $null = qemu-io -f qcow2 -c 'write -P 0x5a 0 1M' $path
        $null = Invoke-SecureWipe $path Zero -Confirm:$false -WarningAction SilentlyContinue
        Test-Filled $path 0 | Should -BeTrue
    }

    It 'destroys the keys of an encrypted image' {
        $path = New-TestImage
        $result = Invoke-SecureWipe $path CryptoErase -Confirm:$false -WarningAction SilentlyContinue
        $result.Keys.SlotsDestroyed | Should -Be 1
        $result.Keys.Verified | Should -BeTrue
        (Get-KeySlot $path -All).IsActive | Should -Not -Contain $true
    }

    It 'refuses links, what others are built on, and unknown standards, each with its own error' -Skip:(-not $hasQemu) {
        $path = New-Noise target.img
        $null = New-Item -ItemType SymbolicLink $TestDrive/link.img -Value $path
        $null = qemu-img create -q -f qcow2 $TestDrive/base.qcow2 4M
        $null = qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 $TestDrive/child.qcow2
        { Invoke-SecureWipe $TestDrive/link.img -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WipeTargetIsLink,*.InvokeSecureWipeCommand'
        { Invoke-SecureWipe $TestDrive/base.qcow2 -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WipeTargetIsBacking,*.InvokeSecureWipeCommand'
        { Invoke-SecureWipe $path Unheard-of -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WipeStandardUnknown,*.InvokeSecureWipeCommand'
    }

    It 'stops, is joined, and goes on with Resume-SecureWipe' {
        $path = New-Noise slow.img 16MB
        $shell = [PowerShell]::Create()
        $null = $shell.AddScript('Import-Module $args[0]; Invoke-SecureWipe $args[1] Random -ThrottleMBps 4 -Confirm:$false').AddArgument($manifest).AddArgument($path)
        $running = $shell.BeginInvoke()
        $audit = "$TestDrive/config/audit.log"
        while (-not (Select-String 'Wipe.Begin.*slow.img' $audit -Quiet -ErrorAction Ignore)) { Start-Sleep -Milliseconds 50 }
        Start-Sleep -Milliseconds 500
        $shell.Stop()
        $shell.InvocationStateInfo.State | Should -Be 'Stopped'
        $running.IsCompleted | Should -BeTrue
        "$path.wipe-journal" | Should -Exist

        $result = Resume-SecureWipe $path -Confirm:$false -WarningAction SilentlyContinue
        $result.Resumes | Should -Be 1
        $result.Passes[0].VerifiedBytes | Should -Be 16MB
        "$path.wipe-journal" | Should -Not -Exist
    }

    It 'wipes free space and gives it back' {
        $result = Invoke-SecureWipe -FreeSpace $TestDrive -Standard Zero -Verify None -Reserve 1EB -Confirm:$false
        $result.Target.Kind | Should -Be 'FreeSpace'
        Get-ChildItem $TestDrive -Force -Filter '.vmcrypt-free-*' | Should -BeNullOrEmpty
    }

    It 'has nothing to resume where nothing was stopped' {
        { Resume-SecureWipe (New-Noise none.img) -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WipeJournalMissing,*.ResumeSecureWipeCommand'
    }
}

Describe 'Get-WipeStandard' {
    It 'lists them with passes, origin and notes' {
        $all = Get-WipeStandard
        $all.Name | Should -Contain 'Gutmann'
        $all | ForEach-Object { $_.Origin | Should -Not -BeNullOrEmpty }
        "$((Get-WipeStandard dodshort).Passes)" | Should -Be 'byte ~1 random'
        Get-WipeStandard 'DoD*' | Should -HaveCount 5
    }

    It 'knows those of the user' {
        $null = New-Item -ItemType Directory $env:VMCRYPT_CONFIG -Force
        Set-Content $env:VMCRYPT_CONFIG/wipe-standards.json '{ "standards": [ { "name": "House", "title": "Ours", "passes": [ "0xCAFE" ] } ] }'
        (Get-WipeStandard House).BuiltIn | Should -BeFalse
        $path = New-Noise house.img
        $null = Invoke-SecureWipe $path House -Confirm:$false -WarningAction SilentlyContinue
        [System.Convert]::ToHexString((Get-FileBytes $path)[0..3]) | Should -Be 'CAFECAFE'
        Remove-Item $env:VMCRYPT_CONFIG/wipe-standards.json
    }
}

Describe 'Set-WipePolicy and Get-WipePolicy' {
    It 'keeps what is not named, and allows nothing that was not said' {
        (Set-WipePolicy web -DeepErase $true -RequiredStandard DoD3 -PassThru).Erase | Should -BeFalse
        $policy = Set-WipePolicy web -Erase $true -PassThru
        $policy.DeepErase, $policy.Erase, $policy.RequiredStandard | Should -Be $true, $true, 'DoD'
        (Get-WipePolicy w*).Vm | Should -Be 'web'
    }

    It 'is heeded' {
        Set-WipePolicy db -DeepErase $false -Erase $true -Disk "$TestDrive/db*"
        $path = New-Noise db.img
        { Invoke-SecureWipe $path -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WipeNotAllowed,*.InvokeSecureWipeCommand'
        (Invoke-SecureWipe $path -After Delete -Confirm:$false -WarningAction SilentlyContinue).Status | Should -Be 'DeletedOnly'
        $path | Should -Not -Exist

        Set-WipePolicy pay -DeepErase $true -SecondConfirmation $true
        $path = New-Noise pay.img
        { Invoke-SecureWipe $path -VM pay -Force -ErrorAction Stop } |
            Should -Throw -ErrorId 'WipeConfirmationMissing,*.InvokeSecureWipeCommand'
        (Invoke-SecureWipe $path -VM pay -ConfirmVM pay -Force -WarningAction SilentlyContinue).VM | Should -Be 'pay'
    }

    It 'changes nothing under -WhatIf, and can be taken away' {
        Set-WipePolicy ghost -DeepErase $true -WhatIf
        { Get-WipePolicy ghost -ErrorAction Stop } | Should -Throw -ErrorId 'WipePolicyMissing,*.GetWipePolicyCommand'
        Set-WipePolicy web -Remove
        Get-WipePolicy | Where-Object Vm -EQ web | Should -BeNullOrEmpty
    }
}

Describe 'New-WipeCertificate and Test-WipeCertificate' {
    BeforeAll {
        $null = New-Item -ItemType Directory $TestDrive/certificates
        Set-Content $TestDrive/details.json '{ "organisation": "Example", "sanitizer": { "name": "Alice" } }'
        $result = Invoke-SecureWipe (New-Noise certified.img) Zero -Confirm:$false -WarningAction SilentlyContinue
        $certificate = $result | New-WipeCertificate $TestDrive/certificates -CertificateDetails $TestDrive/details.json
        $key = "$env:VMCRYPT_CONFIG/certificate-key.pub.pem"
    }

    It 'issues data and a page, both of which verify' {
        (Get-ChildItem $TestDrive/certificates).Extension | Sort-Object | Should -Be '.html', '.json'
        $verdicts = Test-WipeCertificate "$TestDrive/certificates/*" -TrustedKey $key
        $verdicts.IsValid | Should -Be $true, $true
        $verdicts[0].Id | Should -Be $certificate.Id
        (Test-AuditLog -Contains $verdicts[0].AuditHash).ContainsEntry | Should -BeTrue
    }

    It 'finds a change, and a signer whom nobody expected' {
        $json = Get-Content -Raw (Get-ChildItem $TestDrive/certificates/*.json)
        Set-Content $TestDrive/changed.json $json.Replace('"status": "', '"status": "Erased').Replace('ErasedErased', 'Erased')
        Set-Content $TestDrive/moved.json $json.Replace('certified.img', 'another01.img')
        (Test-WipeCertificate $TestDrive/moved.json -TrustedKey $key).IsIntact | Should -BeFalse
        $other = [System.Security.Cryptography.ECDsa]::Create([System.Security.Cryptography.ECCurve]::CreateFromFriendlyName('nistP256'))
        Set-Content $TestDrive/other.pem $other.ExportSubjectPublicKeyInfoPem()
        $verdict = Test-WipeCertificate (Get-ChildItem $TestDrive/certificates/*.json) -TrustedKey $TestDrive/other.pem
        $verdict.IsIntact, $verdict.IsTrusted, $verdict.IsValid | Should -Be $true, $false, $false
    }

    It 'signs with a key of one''s own, and renders what there is' {
        $mine = [System.Security.Cryptography.ECDsa]::Create([System.Security.Cryptography.ECCurve]::CreateFromFriendlyName('nistP256'))
        Set-Content $TestDrive/mine.pem $mine.ExportPkcs8PrivateKeyPem()
        Set-Content $TestDrive/mine.pub.pem $mine.ExportSubjectPublicKeyInfoPem()
        $path = New-Noise own.img
        $null = Invoke-SecureWipe $path Zero -Confirm:$false -CertificatePath $TestDrive/own.json -SigningKey $TestDrive/mine.pem -WarningAction SilentlyContinue
        $null = New-WipeCertificate -Certificate $TestDrive/own.json -Path $TestDrive/own.html
        (Test-WipeCertificate $TestDrive/own.html -TrustedKey $TestDrive/mine.pub.pem).IsValid | Should -BeTrue
        { New-WipeCertificate -Certificate $TestDrive/own.json -Path $TestDrive/own.html -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileExists,*.NewWipeCertificateCommand'
    }

    It 'finds a key that cannot sign before anything is wiped' {
        Set-Content $TestDrive/bad.pem 'no key'
        $path = New-Noise kept.img
        $before = Get-FileHash $path
        { Invoke-SecureWipe $path Zero -Confirm:$false -CertificatePath $TestDrive/never.json -SigningKey $TestDrive/bad.pem } |
            Should -Throw -ErrorId 'CertificateKeyUnusable,*.InvokeSecureWipeCommand'
        (Get-FileHash $path).Hash | Should -Be $before.Hash
    }
}

Describe 'Test-AuditLog' {
    BeforeAll {
        1..3 | ForEach-Object { $null = Invoke-SecureWipe (New-Noise "audited$_.img" 4KB) -Confirm:$false -WarningAction SilentlyContinue }
    }

    It 'proves the log unbroken, and finds a line that was changed' {
        $report = Test-AuditLog
        $report.IsUnbroken | Should -BeTrue
        $report.Entries | Should -Be 6
        $lines = Get-Content $report.Path
        $lines[3] = $lines[3].Replace('"outcome":"', '"outcome":"x')
        Set-Content $TestDrive/changed.log $lines
        $broken = Test-AuditLog $TestDrive/changed.log
        $broken.IsUnbroken | Should -BeFalse
        $broken.Breaks.Line | Should -Contain 4
    }

    It 'knows nothing of what was never written' {
        (Test-AuditLog -Contains ('0' * 64)).ContainsEntry | Should -BeFalse
        { Test-AuditLog $TestDrive/none.log -ErrorAction Stop } | Should -Throw -ErrorId 'FileNotFound,*.TestAuditLogCommand'
    }
}
