BeforeDiscovery {
    . $PSScriptRoot/Libvirt.ps1
    $libvirt = Test-Libvirt
}

Describe 'Secrets and disks of libvirt' -Skip:(-not $libvirt) {
    BeforeAll { . $PSScriptRoot/Libvirt.ps1 }
    AfterEach { Clear-Libvirt }

    Context 'secrets' {
        It 'registers a passphrase that opens the image, and shows it without its value' {
            $path = New-TestImage
            $secret = Register-LibvirtSecret $path -Passphrase $first -Description 'a <b>'
            $secret.Usage | Should -Be 'Volume'
            $secret.Name | Should -BeExactly $path
            [System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String((Invoke-Virsh secret-get-value $secret.Uuid).Trim())) | Should -BeExactly 'first'
            $listed = Get-LibvirtSecret $path
            $listed.Uuid | Should -Be $secret.Uuid
            $listed.Description | Should -BeExactly 'a <b>'
            $listed.IsPrivate | Should -BeFalse
        }

        It 'does not give libvirt a passphrase that opens nothing' {
            $path = New-TestImage
            { Register-LibvirtSecret $path -Passphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase,*'
            Get-LibvirtSecret $path | Should -BeNullOrEmpty
        }

        It 'replaces a value only when asked, and keeps the UUID' {
            $path = New-TestImage
            $secret = Register-LibvirtSecret $path -Passphrase $first
            $null = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
            { Register-LibvirtSecret $path -Passphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtSecretExists,*'
            (Register-LibvirtSecret $path -Passphrase $second -Force).Uuid | Should -Be $secret.Uuid
            [System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String((Invoke-Virsh secret-get-value $secret.Uuid).Trim())) | Should -BeExactly 'second'
        }

        It 'takes the secrets of a VM from the key store' {
            $configBefore = $env:VMCRYPT_CONFIG
            $env:VMCRYPT_CONFIG = "$TestDrive/config"
            try {
                $null = New-DiskKeyStore -KeyFile "$TestDrive/store.key"
                $path = New-TestImage
                $null = Register-DiskKey $path -Passphrase $first -Vm web01
                $secret = Register-LibvirtSecret -Vm web01
                $secret.Name | Should -BeExactly $path
                $null = Update-DiskKey $path -NewPassphrase $second @cheap
                (Register-LibvirtSecret $path -StoredKey -Force).Uuid | Should -Be $secret.Uuid
                [System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String((Invoke-Virsh secret-get-value $secret.Uuid).Trim())) | Should -BeExactly 'second'
                { Register-LibvirtSecret $path -AnyToken -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
            } finally { $env:VMCRYPT_CONFIG = $configBefore }
        }

        It 'keeps a private value to itself' {
            $path = New-TestImage
            $secret = Register-LibvirtSecret $path -Passphrase $first -Private -Ephemeral
            $secret.IsPrivate | Should -BeTrue
            { Invoke-Virsh secret-get-value $secret.Uuid } | Should -Throw '*private*'
        }

        It 'takes other secrets by name, unproven' {
            $name = "client.test $(New-Guid)"
            $secret = Register-LibvirtSecret -Usage Ceph -Name $name -Passphrase $first
            (Get-LibvirtSecret $name).Usage | Should -Be 'Ceph'
            $secret | Unregister-LibvirtSecret -Force
            Get-LibvirtSecret $name | Should -BeNullOrEmpty
        }

        It 'changes nothing under -WhatIf, and asks before it forgets' {
            $path = New-TestImage
            Register-LibvirtSecret $path -Passphrase $first -WhatIf
            Get-LibvirtSecret $path | Should -BeNullOrEmpty
            $secret = Register-LibvirtSecret $path -Passphrase $first
            $secret | Unregister-LibvirtSecret -WhatIf
            Get-LibvirtSecret $path | Should -Not -BeNullOrEmpty
            { Unregister-LibvirtSecret $noSecret -Force -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtSecretMissing,*'
        }

        It 'says which libvirt does not answer' {
            { Get-LibvirtSecret -ConnectUri 'qemu+unix:///system?socket=/nowhere' -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtUnreachable,*'
        }
    }

    Context 'disks' {
        It 'shows the disks of a domain and whether definition and image agree' {
            $encrypted = New-TestImage enc.luks @{ Format = 'Raw' }
            $inside = New-TestImage inside.qcow2
            $plain = Join-Path $TestDrive plain.qcow2
            qemu-img create -q -f qcow2 $plain 4M
            $missing = "<disk type='file'><driver name='qemu' type='raw'/><source file='$encrypted'/><target dev='vdc'/></disk>"
            $wrong = "<disk type='file'><driver name='qemu' type='qcow2'/><source file='$plain'><encryption format='luks'><secret type='passphrase' uuid='$noSecret'/></encryption></source><target dev='vdd'/></disk>"
            $gone = "<disk type='file'><driver name='qemu' type='raw'/><source file='/nowhere/x.img'/><target dev='vde'/></disk>"
            $name = New-TestDomain (New-LibvirtDiskXml $inside -Target vda), (New-LibvirtDiskXml $plain -Target vdb), $missing, $wrong, $gone

            $disks = Get-VmDisk $name
            $disks.Target | Should -Be vda, vdb, vdc, vdd, vde
            $disks.Encryption | Should -Be Encrypted, Plain, ElementMissing, ImagePlain, Unknown
            $disks[0].Image.Encryption | Should -Be Inside
            $disks[0].IsRunning | Should -BeFalse
            $disks[4].Trouble.ErrorId | Should -BeExactly FileNotFound
            (Get-VmDisk $name -Target vdb).Path | Should -BeExactly $plain
            (Get-VmDisk $name -Target vda | Get-EncryptedImage).Path | Should -BeExactly $inside
            (Get-VmDisk).VmName | Should -Contain $name
        }

        It 'adds an encrypted disk to a running domain and takes it away' {
            $name = New-TestDomain @() 'echo READY; until head -c 1 /dev/vda > /dev/null 2>&1; do sleep 0.1; done; echo SUM $(sha256sum < /dev/vda); while [ -b /dev/vda ]; do sleep 0.1; done; echo GONE; while true; do sleep 9; done'
            $path = Join-Path $TestDrive data.qcow2
            Set-Content $TestDrive/data.raw ('data' * 1MB) -NoNewline
            $null = Convert-Image $TestDrive/data.raw $path -NewPassphrase $first @cheap
            $null = Invoke-Virsh start $name
            { Add-VmDisk -VmName $name -Path $path -Target vda -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtSecretMissing,*'
            $null = Register-LibvirtSecret $path -Passphrase $first
            $null = Wait-Console $name READY

            $disk = Add-VmDisk -VmName $name -Path $path -Target vda
            $disk.IsRunning | Should -BeTrue
            $disk.Encryption | Should -Be Encrypted
            $disk.Image.InUse | Should -BeTrue
            $sum = (Get-FileHash $TestDrive/data.raw).Hash.ToLowerInvariant()
            Wait-Console $name 'SUM \w+' | Should -Match $sum
            (Invoke-Virsh dumpxml --inactive $name) | Should -Match 'data.qcow2'

            Get-VmDisk $name | Remove-VmDisk -Force -WarningAction SilentlyContinue
            $null = Wait-Console $name GONE
            (Invoke-Virsh dumpxml --inactive $name) | Should -Not -Match 'data.qcow2'
        }

        It 'adds what QEMU cannot open through an export' {
            $name = New-TestDomain @() 'echo READY; until head -c 1 /dev/vda > /dev/null 2>&1; do sleep 0.1; done; echo HEAD $(head -c 4 /dev/vda); while true; do sleep 9; done'
            $path = Join-Path $TestDrive two.luks
            $null = qemu-img create -q -f raw $path 24M
            sh -c "printf first | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 '$path' -"
            $null = Invoke-Virsh start $name
            { Add-VmDisk -VmName $name -Path $path -Target vda -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtInexpressible,*'
            $stream = Unlock-Image $path -Passphrase $first -AsStream
            $stream.Write([System.Text.Encoding]::ASCII.GetBytes('MARK'), 0, 4)
            $stream.Dispose()
            $export = Unlock-Image $path -Passphrase $first -Socket $TestDrive/two.sock
            try {
                # libvirt's QEMU is not root, and the socket is its server's alone.
                chown libvirt-qemu $TestDrive/two.sock
                $null = Wait-Console $name READY
                $disk = $export | Add-VmDisk -VmName $name -Target vda -Transient
                $disk.Path | Should -BeLike 'nbd+unix:*'
                $null = Wait-Console $name 'HEAD MARK'
                (Invoke-Virsh dumpxml --inactive $name) | Should -Not -Match 'nbd'
            }
            finally {
                $null = Invoke-Virsh destroy $name
                $export | Lock-Image
            }
        }

        It 'encrypts a plain disk, and takes that back' {
            $env:VMCRYPT_CONFIG = Join-Path $TestDrive config
            try {
                $plain = Join-Path $TestDrive plain2.raw
                Set-Content $plain ('plain' * 1MB) -NoNewline
                $name = New-TestDomain "<disk type='file'><driver name='qemu' type='raw'/><source file='$plain'/><target dev='vda'/></disk>"
                Get-VmDisk $name | Protect-VmDisk -NewPassphrase $first -Iterations 1000 -WhatIf
                (Get-VmDisk $name).Encryption | Should -Be Plain
                $done = Get-VmDisk $name | Protect-VmDisk -NewPassphrase $first -Iterations 1000
                $done.State | Should -Be Switched
                $done.OldPath | Should -BeExactly $plain
                $disk = Get-VmDisk $name
                $disk.Encryption | Should -Be Encrypted
                $disk.Path | Should -BeExactly (Join-Path $TestDrive plain2.luks.qcow2)
                (Unlock-Image $disk.Path -Passphrase $first -OutFile $TestDrive/out.raw -Force).Path | Should -Not -BeNullOrEmpty
                (Get-FileHash $TestDrive/out.raw).Hash | Should -Be (Get-FileHash $plain).Hash
                { Get-VmDisk $name | Protect-VmDisk -NewPassphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'VmDiskProtected,*'
                $null = $done | Unprotect-VmDisk -Force
                (Get-VmDisk $name).Path | Should -BeExactly $plain
                $done.Path | Should -Not -Exist
                Get-LibvirtSecret -Uuid $done.SecretUuid | Should -BeNullOrEmpty
            }
            finally { Remove-Item Env:VMCRYPT_CONFIG }
        }

        It 'says what libvirt does not know' {
            { Get-VmDisk no-such-vm -ErrorAction Stop } | Should -Throw -ErrorId 'VmMissing,*'
            $name = New-TestDomain @()
            { Remove-VmDisk $name vdx -Force -ErrorAction Stop } | Should -Throw -ErrorId 'VmDiskMissing,*'
        }
    }
}

Describe 'Get-VmDisk on Hyper-V' {
    BeforeAll { . $PSScriptRoot/Setup.ps1 }

    It 'takes the drives of Get-VMHardDiskDrive by property name' {
        $path = New-TestImage
        $drive = [pscustomobject]@{ VMName = 'web01'; Path = $path; ControllerType = 'SCSI'; ControllerNumber = 0; ControllerLocation = 1 }
        $disk = $drive | Get-VmDisk
        $disk.VmName | Should -BeExactly web01
        $disk.Target | Should -BeExactly 'SCSI 0:1'
        $disk.Encryption | Should -Be Encrypted
        $disk.Image.ActiveKeySlots | Should -Be 1
    }
}
