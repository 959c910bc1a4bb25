# What every command owes to PowerShell: it stops at once and in order, and its errors are PowerShell's.
BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $source = "$TestDrive/slow.raw"
    $bytes = [byte[]]::new(32MB)
    [System.Random]::new(3).NextBytes($bytes)
    [System.IO.File]::WriteAllBytes($source, $bytes)

    function Start-Slow([string] $Destination) {
        $shell = [powershell]::Create()
        $null = $shell.AddScript({
            param($manifest, $source, $destination, $secret)
            Import-Module $manifest
            Convert-Image $source $destination -Format Raw -NewPassphrase $secret -Iterations 1000 -BytesPerSecond 1MB
        }).AddArgument($manifest).AddArgument($source).AddArgument($Destination).AddArgument($first)
        $running = $shell.BeginInvoke()
        while (-not (Get-ChildItem $TestDrive -Force -Filter '*.partial')) {
            if ($running.IsCompleted) { $shell.EndInvoke($running); throw 'The conversion ended before it was stopped.' }
            Start-Sleep -Milliseconds 20
        }
        $shell, $running
    }
}

Describe 'A stop' {
    It 'comes before the work is done, joins the work and leaves no half file' {
        $shell, $running = Start-Slow "$TestDrive/stopped.qcow2"
        $clock = [System.Diagnostics.Stopwatch]::StartNew()
        $shell.Stop()
        $clock.Elapsed.TotalSeconds | Should -BeLessThan 20
        Get-ChildItem $TestDrive -Force -Filter '*stopped*' | Should -BeNullOrEmpty
        $shell.InvocationStateInfo.State | Should -Be 'Stopped'
        $shell.Streams.Error | Should -BeNullOrEmpty
        $shell.Dispose()
    }

    It 'leaves the source as it was, free for the next' {
        $shell, $running = Start-Slow "$TestDrive/again.qcow2"
        $shell.Stop()
        $shell.Dispose()
        (Convert-Image $source $TestDrive/again.qcow2 -Format Raw -NewPassphrase $first @cheap).VirtualSize | Should -Be 32MB
    }
}

Describe 'Progress' {
    It 'tells rate and time left, and ends' {
        $shell, $running = Start-Slow "$TestDrive/progress.qcow2"
        try {
            $records = $shell.Streams.Progress
            $clock = [System.Diagnostics.Stopwatch]::StartNew()
            while ($records.Count -lt 2 -and $clock.Elapsed.TotalSeconds -lt 60) { Start-Sleep -Milliseconds 50 }
            $records[-1].StatusDescription | Should -Match 'MiB of 32 MiB, .*/s'
            $records[-1].SecondsRemaining | Should -BeGreaterThan 0
        } finally { $shell.Stop(); $shell.Dispose() }
    }
}

Describe 'A pipeline that wants no more' {
    It 'ends the command' {
        $images = 1..5 | ForEach-Object { New-TestImage "many$_.qcow2" }
        $images | Get-EncryptedImage | Select-Object -First 2 | Should -HaveCount 2
    }
}

Describe 'A secret that nobody can be asked for' {
    It 'is an error, not a question, in a shell without a user' {
        $path = New-TestImage unasked.qcow2
        $pwsh = (Get-Process -Id $PID).Path
        $output = & $pwsh -NoProfile -NonInteractive -Command "Import-Module '$manifest'; try { Test-KeySlot '$path' -ErrorAction Stop } catch { `$_.FullyQualifiedErrorId }"
        $output | Select-Object -Last 1 | Should -Match 'KeyRequired,VmCrypt.Commands.Keys.TestKeySlotCommand'
    }
}

Describe 'Paths' {
    It 'count from PowerShell''s location, not from the process''s' {
        $null = New-TestImage here.qcow2
        Push-Location $TestDrive
        try { (Get-EncryptedImage here.qcow2).Path | Should -Be (Join-Path $TestDrive here.qcow2) } finally { Pop-Location }
    }

    It 'go through PowerShell''s drives' {
        $null = New-TestImage drive.qcow2
        (Get-EncryptedImage TestDrive:/drive.qcow2).Path | Should -Be (Join-Path $TestDrive drive.qcow2)
        { Get-EncryptedImage Env:/PATH -ErrorAction Stop } | Should -Throw -ErrorId 'LocationInvalid,*.GetEncryptedImageCommand'
    }
}
