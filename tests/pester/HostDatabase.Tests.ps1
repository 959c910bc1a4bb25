# A host that shares a real PostgreSQL, which these suites start; also shows that the module brings its client along.
BeforeDiscovery {
    $programs = Get-ChildItem /usr/lib/postgresql/*/bin/postgres -ErrorAction Ignore | Select-Object -Last 1
    $hasServer = $programs -and (Get-Command setpriv -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $vmcrypt = Join-Path $PSScriptRoot '../../output/bin/vmcrypt'
    $configBefore = $env:VMCRYPT_CONFIG
    $programs = Get-ChildItem /usr/lib/postgresql/*/bin/postgres -ErrorAction Ignore | Select-Object -Last 1
    if ($programs) {
        $bin = Split-Path $programs
        $folder = (New-Item -ItemType Directory "/tmp/vmcrypt-pg-$([guid]::NewGuid())").FullName
        $as = @()
        if ((id -u) -eq 0) {
            chown postgres $folder
            $as = 'setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'
        }
        $listener = [System.Net.Sockets.TcpListener]::new([System.Net.IPAddress]::Loopback, 0)
        $listener.Start(); $port = $listener.LocalEndpoint.Port; $listener.Stop()
        $command = $as + "$bin/initdb", '-D', "$folder/data", '-U', 'postgres', '-A', 'trust', '--no-sync', '--locale=C', '-E', 'UTF8'
        Push-Location /
        & $command[0] $command[1..99] | Out-Null
        $command = $as + "$bin/postgres", '-D', "$folder/data", '-p', "$port", '-k', $folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'
        $server = Start-Process $command[0] $command[1..99] -PassThru -RedirectStandardError "$folder.log" -RedirectStandardOutput /dev/null
        Pop-Location
        while ($true) {
            & "$bin/pg_isready" -q -h 127.0.0.1 -p $port
            if ($LASTEXITCODE -eq 0) { break }
            if ($server.HasExited) { throw (Get-Content "$folder.log" -Raw) }
            Start-Sleep -Milliseconds 50
        }
        $connection = "Host=127.0.0.1;Port=$port;Username=postgres;Database=postgres"
    }
}

AfterAll {
    $env:VMCRYPT_CONFIG = $configBefore
    if ($server) {
        $server.Kill()
        $server.WaitForExit()
        Remove-Item "$folder", "$folder.log" -Recurse -Force
    }
}

Describe 'A database that hosts share' -Skip:(-not $hasServer) {
    It 'is told once it has answered' {
        $env:VMCRYPT_CONFIG = "$TestDrive/first"
        { Set-HostDatabase 'Host=127.0.0.1;Password=x' -ErrorAction Stop } | Should -Throw -ErrorId 'DatabaseConnectionInvalid,*.SetHostDatabaseCommand'
        (Get-HostDatabase).Location | Should -BeNullOrEmpty
        (Set-HostDatabase $connection).Location | Should -Be "postgres@127.0.0.1:$port/postgres"
        (Get-HostDatabase).Location | Should -Be "postgres@127.0.0.1:$port/postgres"
    }

    It 'opens a disk on the host that did not register it' {
        $path = New-TestImage
        $env:VMCRYPT_CONFIG = "$TestDrive/first"
        (New-DiskKeyStore -KeyFile "$TestDrive/store.key").Location | Should -Be "postgres@127.0.0.1:$port/postgres"
        $null = Register-DiskKey $path -Passphrase $first -Vm web01
        $env:VMCRYPT_CONFIG = "$TestDrive/second"
        $null = Set-HostDatabase $connection
        Unlock-Image -Vm web01 | Lock-Image
        $null = Update-DiskKey -Vm web01 @cheap
        (Get-DiskKey).UseCount | Should -Be 1
        (Test-DiskKeyStore).IsWhole | Should -BeTrue
        "$TestDrive/second/disk-keys.vks" | Should -Not -Exist
    }

    It 'does so for vmcrypt' {
        $env:VMCRYPT_CONFIG = "$TestDrive/first"
        & $vmcrypt Get-DiskKey -Json | ConvertFrom-Json | Select-Object -ExpandProperty vm | Should -Be 'web01'
    }

    It 'carries USB lists and wipe policies' {
        $env:VMCRYPT_CONFIG = "$TestDrive/first"
        $null = Set-UsbWhitelist -Vm web01 -Device '048d:1169'
        Set-WipePolicy -VM web01 -DeepErase $false
        $env:VMCRYPT_CONFIG = "$TestDrive/second"
        (Get-UsbWhitelist -Vm web01).Rules | Should -HaveCount 1
        (Get-WipePolicy).Vm | Should -Be 'web01'
        (Test-AuditLog).IsUnbroken | Should -BeTrue
    }

    It 'is given up again' {
        $env:VMCRYPT_CONFIG = "$TestDrive/second"
        (Set-HostDatabase -Remove).Location | Should -BeNullOrEmpty
        { Get-DiskKey -ErrorAction Stop } | Should -Throw -ErrorId 'KeyStoreMissing,*.GetDiskKeyCommand'
        (Get-UsbWhitelist -Vm web01).Rules | Should -HaveCount 1
    }
}
