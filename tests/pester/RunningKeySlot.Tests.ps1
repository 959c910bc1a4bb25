BeforeDiscovery {
    . $PSScriptRoot/Libvirt.ps1
    $libvirt = Test-Libvirt
    $hasQemu = [bool](Get-Command qemu-system-x86_64 -ErrorAction Ignore)
}

Describe 'Key slots of a running domain' -Skip:(-not $libvirt) {
    BeforeAll {
        . $PSScriptRoot/Libvirt.ps1
        chmod 755 $TestDrive
        $quick = @{ IterTime = 10; WarningAction = 'SilentlyContinue' }
        $path = New-TestImage disk.qcow2
        $null = Register-LibvirtSecret $path -Passphrase $first
        $name = New-TestDomain (New-LibvirtDiskXml $path -Target vda)
        $null = Invoke-Virsh start $name
    }

    AfterAll { Clear-Libvirt }

    It 'adds one, and says what it did' {
        (Get-EncryptedImage $path).InUse | Should -BeTrue
        { Add-KeySlot $path -Passphrase $first -NewPassphrase $second @quick -ErrorAction Stop } | Should -Throw -ErrorId 'ImageInUse,*'
        $slot = Get-VmDisk $name | Add-KeySlot -Passphrase $first -NewPassphrase $second @quick
        $slot.Slot | Should -Be 1
        $slot.IsActive | Should -BeTrue
        (Get-KeySlot $path).Slot | Should -Be 0, 1
        virsh -q -c $connectUri qemu-monitor-command $name '{"execute":"qom-list","arguments":{"path":"/objects"}}' | Should -Not -Match 'vmcrypt'
    }

    It 'destroys one, asks for that, and keeps the last' {
        Get-VmDisk $name | Remove-KeySlot -Slot 1 -WhatIf
        (Get-KeySlot $path).Slot | Should -Be 0, 1
        Get-VmDisk $name | Remove-KeySlot -Slot 1 -Passphrase $first -Force
        (Get-KeySlot $path).Slot | Should -Be 0
        { Get-VmDisk $name | Remove-KeySlot -Slot 0 -Force -ErrorAction Stop } | Should -Throw -ErrorId 'LastKeySlot,*'
    }

    It 'replaces a passphrase, and that of the secret' {
        $slot = Set-KeySlot $path -VmName $name -Passphrase $first -NewPassphrase $second -IterTime 10 -WarningVariable said
        $slot.Slot | Should -Be 1
        $said | Should -BeNullOrEmpty
        { Set-KeySlot $path -VmName $name -Passphrase $first -NewPassphrase (ConvertTo-Secret third) @quick -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase,*'
        $null = Invoke-Virsh destroy $name
        $null = Invoke-Virsh start $name
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
    }

    It 'keeps the secret if asked, and reminds of it' {
        $null = Set-KeySlot $path -VmName $name -Passphrase $second -NewPassphrase $first -IterTime 10 -KeepLibvirtSecret -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'Register-LibvirtSecret'
        $null = Set-KeySlot $path -VmName $name -Passphrase $first -NewPassphrase $second @quick
        $null = Invoke-Virsh destroy $name
        $null = Invoke-Virsh start $name
    }

    It 'replaces the secret that the key store has, too' {
        $configBefore = $env:VMCRYPT_CONFIG
        $env:VMCRYPT_CONFIG = "$TestDrive/config"
        try {
            $null = New-DiskKeyStore -KeyFile "$TestDrive/store.key"
            $null = Register-DiskKey $path -Passphrase $second -Vm $name
            (Get-EncryptedImage $path).InUse | Should -BeTrue
            $null = Update-DiskKey -Vm $name @quick
            Test-DiskKey | Select-Object -ExpandProperty State | Should -Be 'Good'
            (Get-EncryptedImage $path).InUse | Should -BeTrue
            $null = Update-DiskKey -Vm $name -NewPassphrase $second @quick
            $null = Invoke-Virsh destroy $name
            $null = Invoke-Virsh start $name
        } finally { $env:VMCRYPT_CONFIG = $configBefore }
    }

    It 'does it itself once the domain is stopped' {
        $null = Invoke-Virsh destroy $name
        $slot = Get-VmDisk $name | Set-KeySlot -Passphrase $second -NewPassphrase $first -Iterations 1000 -WarningVariable said
        $slot.Iterations | Should -Be 1000
        $said | Should -BeNullOrEmpty
    }

    It 'says which domain it does not know' {
        $null = Register-LibvirtSecret $path -Passphrase $first -Force
        $null = Invoke-Virsh start $name
        { Add-KeySlot $path -VmName no-such-vm -Passphrase $first -NewPassphrase $second @quick -ErrorAction Stop } | Should -Throw -ErrorId 'VmMissing,*'
    }
}

Describe 'Key slots over QMP' -Skip:(-not $hasQemu) {
    BeforeAll {
        . $PSScriptRoot/Setup.ps1
        $path = New-TestImage disk.luks @{ Format = 'Raw' }
        $secret = New-QemuSecret key -Passphrase $first -OutFile $TestDrive/key
        $node = New-QemuBlockdev $path -NodeName disk0 -SecretId key
        $qemu = Start-Process -PassThru qemu-system-x86_64 -ArgumentList '-machine', 'none', '-nodefaults', '-display', 'none', '-qmp',
            "unix:$TestDrive/qmp,server=on,wait=off", '-object', $secret.Argument, '-blockdev', $node.Argument
        for ($try = 0; $try -lt 100 -and -not (Test-Path $TestDrive/qmp); $try++) { Start-Sleep -Milliseconds 100 }
    }

    AfterAll { Stop-Process $qemu }

    It 'replaces a passphrase of the disk that QEMU has open' {
        $slot = Set-KeySlot $path -QmpSocket unix:$TestDrive/qmp -Passphrase $first -NewPassphrase $second -IterTime 10
        $slot.Slot | Should -Be 1
        (Get-KeySlot $path).Slot | Should -Be 1
        (Add-KeySlot $path -QmpSocket unix:$TestDrive/qmp -NodeName disk0 -Passphrase $second -NewPassphrase $first -IterTime 10).Slot | Should -Be 0
        Remove-KeySlot $path -QmpSocket unix:$TestDrive/qmp -Passphrase $second -Force
        (Get-KeySlot $path).Slot | Should -Be 0
    }

    It 'says what QEMU does not have, and where nobody listens' {
        $other = New-TestImage other.luks @{ Format = 'Raw' }
        { Set-KeySlot $other -QmpSocket unix:$TestDrive/qmp -Passphrase $first -NewPassphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'QemuNodeMissing,*'
        { Set-KeySlot $other -QmpSocket unix:$TestDrive/nobody -Passphrase $first -NewPassphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'MonitorUnreachable,*'
        { Set-KeySlot $other -QmpSocket nonsense -Passphrase $first -NewPassphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'MonitorEndpointInvalid,*'
    }
}
