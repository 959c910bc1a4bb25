BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-system-x86_64 -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $configuration = $env:VMCRYPT_CONFIG
    $env:VMCRYPT_CONFIG = Join-Path $TestDrive 'config'

    function Wait-Until([scriptblock] $Condition) {
        $deadline = [datetime]::Now.AddSeconds(20)
        while (-not (& $Condition)) {
            if ([datetime]::Now -gt $deadline) { throw "Did not come true: $Condition" }
            Start-Sleep -Milliseconds 20
        }
    }
}

AfterAll {
    $env:VMCRYPT_CONFIG = $configuration
}

Describe 'USB whitelists' {
    BeforeEach { Get-UsbWhitelist | ForEach-Object { $_ | Remove-UsbWhitelist } }

    It 'are set, shown, added to and removed' {
        Set-UsbWhitelist -Vm web01 -Device 048d:1169 -Label 'the stick'
        Set-UsbWhitelist -Vm web01 -Rule 'class=0b', '0x08,-1,-1,-1,0' -Append
        (Get-UsbWhitelist web01).Rule | Should -Be 'allow 048d:1169 label="the stick"', 'allow class=0b', 'deny class=08'

        Remove-UsbWhitelist web01 -Device 048d:1169
        (Get-UsbWhitelist web01).Rule | Should -Be 'allow class=0b', 'deny class=08'
        Remove-UsbWhitelist web01 -Number 1
        (Get-UsbWhitelist web01).Rule | Should -Be 'deny class=08'
        Remove-UsbWhitelist web01
        { Get-UsbWhitelist web01 -ErrorAction Stop } | Should -Throw -ErrorId 'UsbWhitelistMissing,VmCrypt.Commands.Usb.GetUsbWhitelistCommand'
    }

    It 'pipe from VM to VM, and to the default list' {
        Set-UsbWhitelist -Vm web01 -Device 048d:1169
        Get-UsbWhitelist web01 | Set-UsbWhitelist -Vm web02
        (Get-UsbWhitelist web02).Rule | Should -Be 'allow 048d:1169'
        Set-UsbWhitelist -Default -Rule 'class=08'
        (Get-UsbWhitelist).Vm | Should -Be $null, 'web01', 'web02'
        (Get-UsbWhitelist -Default).Default | Should -BeTrue
    }

    It 'stay as they are if one rule cannot be used, and under -WhatIf' {
        Set-UsbWhitelist -Vm web01 -Device 048d:1169
        { Set-UsbWhitelist -Vm web01 -Rule 'class=08', 'nonsense' -ErrorAction Stop } |
            Should -Throw -ErrorId 'UsbRuleInvalid,VmCrypt.Commands.Usb.SetUsbWhitelistCommand'
        Set-UsbWhitelist -Vm web01 -Rule 'class=08' -WhatIf
        Remove-UsbWhitelist web01 -WhatIf
        (Get-UsbWhitelist web01).Rule | Should -Be 'allow 048d:1169'
    }

    It 'warn of what is not kept' {
        Set-UsbWhitelist -Vm web01 -Rule 'allow id 048d:1169 hash "x="' -WarningVariable warnings -WarningAction SilentlyContinue
        $warnings | Should -HaveCount 1
        (Get-UsbWhitelist web01).Rule | Should -Be 'allow 048d:1169'
    }

    It 'answer with the reason' {
        Set-UsbWhitelist -Vm web01 -Rule 'class=08'
        $answer = Test-UsbDevice web01 048d:1169 -Class 00:00:00 -Interface 08:06:50, 03:01:01
        $answer.Allowed | Should -BeFalse
        $answer.Reason | Should -Be 'interface 1 (03:01:01) matches no rule, which denies'
        Test-UsbDevice web01 048d:1169 -Interface 08:06:50 -Quiet | Should -BeTrue
        (Test-UsbDevice web02 048d:1169).List | Should -Be 'none'
        Test-UsbDevice -Device 048d:1169 -Rule '048d:*' -Quiet | Should -BeTrue
        { Test-UsbDevice web01 stick -ErrorAction Stop } | Should -Throw -ErrorId 'UsbDeviceInvalid,VmCrypt.Commands.Usb.TestUsbDeviceCommand'
    }

    It 'go through a file in any language and come back' {
        Set-UsbWhitelist -Vm web01 -Rule 'class=08', '048d:1169 version=2.56'
        foreach ($as in 'UsbredirFilter', 'QemuDeviceProperty', 'LibvirtXml') {
            Export-UsbWhitelist web01 $as -OutFile $TestDrive/list -Force
            Import-UsbWhitelist web02 $TestDrive/list
            (Get-UsbWhitelist web02).Rule | Should -Be 'allow class=08', 'allow 048d:1169 version=2.56', 'deny'
        }
        { Export-UsbWhitelist web01 UsbredirFilter -OutFile $TestDrive/list -ErrorAction Stop } |
            Should -Throw -ErrorId 'DeviceIO,VmCrypt.Commands.Usb.ExportUsbWhitelistCommand'
    }

    It 'say what an export leaves out' {
        Set-UsbWhitelist -Vm web01 -Rule '048d:1169 serial=A1'
        Export-UsbWhitelist web01 UsbredirFilter -WarningVariable warnings -WarningAction SilentlyContinue | Should -Be '-1,-1,-1,-1,0'
        $warnings | Should -BeLike '*left out*'
    }
}

Describe 'Get-UsbDevice' {
    It 'reads the host''s devices' -Skip:(-not $IsLinux) {
        $device = New-Item "$TestDrive/sys/1-2" -ItemType Directory
        $stick = [byte[]](18, 1, 0, 2, 0, 0, 0, 64, 0x8d, 4, 0x69, 0x11, 0x56, 2, 1, 2, 3, 1)
        $setup = [byte[]](9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 8, 6, 0x50, 0)
        [System.IO.File]::WriteAllBytes("$device/descriptors", $stick + $setup)
        @{ busnum = 1; devnum = 5; authorized = 0; serial = 'A1'; product = 'Blue stick' }.GetEnumerator() | ForEach-Object {
            Set-Content "$device/$($_.Key)" $_.Value
        }

        $found = Get-UsbDevice -SysfsPath $TestDrive/sys
        $found.Device, $found.Version, $found.Serial, $found.Port | Should -Be '048d:1169', '2.56', 'A1', '1-2'
        $found.Interface | Should -Be '08:06:50'
        $found.Authorized | Should -BeFalse

        $found | Set-UsbWhitelist -Vm web03 -MatchSerial
        (Get-UsbWhitelist web03).Rule | Should -Be 'allow 048d:1169 serial="A1" label="Blue stick"'
        ($found | Test-UsbDevice -Vm web03).Allowed | Should -BeTrue
    }
}

Describe 'Start-UsbGuard' -Skip:(-not $hasQemu) {
    BeforeAll {
        $monitor = "$TestDrive/vm.qmp"
        $second = "$TestDrive/vm2.qmp"
        $qemu = Start-Process qemu-system-x86_64 @(
            '-accel', 'tcg', '-m', '64', '-nodefaults', '-display', 'none', '-name', 'web09', '-device', 'qemu-xhci'
            '-blockdev', 'driver=null-co,node-name=n0,size=1048576', '-device', 'usb-storage,drive=n0,id=stick'
            '-chardev', "socket,id=c,path=$TestDrive/redir.sock,server=on,wait=off", '-device', 'usb-redir,chardev=c,id=redir0'
            '-qmp', "unix:$monitor,server=on,wait=off", '-qmp', "unix:$second,server=on,wait=off"
        ) -PassThru
        Wait-Until { Test-Path $second }
    }

    AfterAll {
        Stop-Process -Id $qemu.Id
    }

    It 'ejects what is not listed, sets the filter of channels, and says so' {
        Set-UsbWhitelist -Vm web09 -Rule 'class=08'
        $guard = Start-UsbGuard "unix:$monitor"
        try {
            Wait-Until { $guard.Vms.State -eq 'Guarded' -and $guard.Events.Kind -contains 'Refiltered' }
            (Get-UsbDevice -Monitor "unix:$second").Channel | Sort-Object | Should -Be 'redir0', 'stick'
            (Get-UsbGuard)[0] | Should -Be $guard

            Set-UsbWhitelist -Vm web09
            Wait-Until { $guard.Events.Kind -contains 'Ejected' }
            $left = Get-UsbDevice -Monitor "unix:$second"
            $left.Channel | Should -Be 'redir0'
            $left.Filter | Should -Be '-1:-1:-1:-1:0'
        } finally { Stop-UsbGuard }
        $guard.IsRunning | Should -BeFalse
        Get-Content "$env:VMCRYPT_CONFIG/audit.log" | Select-Object -Last 50 | Where-Object { $_ -like '*Usb.Eject*46f4:0001*' } | Should -Not -BeNullOrEmpty
    }

    It 'needs VMs, and Stop-UsbGuard a guard' {
        { Start-UsbGuard -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,VmCrypt.Commands.Usb.StartUsbGuardCommand'
        { Start-UsbGuard vm01 -ErrorAction Stop } | Should -Throw -ErrorId 'MonitorEndpointInvalid,VmCrypt.Commands.Usb.StartUsbGuardCommand'
        { Stop-UsbGuard -ErrorAction Stop } | Should -Throw -ErrorId 'UsbServiceMissing,VmCrypt.Commands.Usb.StopUsbGuardCommand'
        Start-UsbGuard "unix:$monitor" -WhatIf | Should -BeNullOrEmpty
    }

    It 'runs in the foreground of vmcrypt, where others find and end it' -Skip:$IsWindows {
        $vmcrypt = Join-Path $PSScriptRoot '../../output/bin/vmcrypt'
        $process = Start-Process $vmcrypt "Start-UsbGuard unix:$monitor" -PassThru -RedirectStandardOutput $TestDrive/events.json
        Wait-Until { (Get-Content $TestDrive/events.json -ErrorAction Ignore) -like '*VmGuarded*' }
        Wait-Until { (Get-UsbGuard).Vms.Name -eq 'web09' }
        Get-UsbGuard | Stop-UsbGuard
        $process.WaitForExit(10000) | Should -BeTrue
        $process.ExitCode | Should -Be 0
    }
}

Describe 'Start-UsbRedirProxy' {
    It 'passes between two addresses until it is stopped' {
        $proxy = Start-UsbRedirProxy web01 "listen:unix:$TestDrive/from.sock" "unix:$TestDrive/to.sock"
        try {
            Test-Path $TestDrive/from.sock | Should -BeTrue
            (Get-UsbRedirProxy).Vm | Should -Be 'web01'
            { Start-UsbRedirProxy web01 "listen:unix:$TestDrive/from.sock" tcp:127.0.0.1:1 -ErrorAction Stop } |
                Should -Throw -ErrorId 'UsbredirUnreachable,VmCrypt.Commands.Usb.StartUsbRedirProxyCommand'
        } finally { Stop-UsbRedirProxy -Vm web01 }
        $proxy.IsRunning | Should -BeFalse
        Test-Path $TestDrive/from.sock | Should -BeFalse
        { Stop-UsbRedirProxy -ErrorAction Stop } | Should -Throw -ErrorId 'UsbServiceMissing,VmCrypt.Commands.Usb.StopUsbRedirProxyCommand'
    }
}
