# The tutorial of "encrypting QEMU images with libvirt", as docs/ORIGIN.md counts its steps, without hand-written XML.
BeforeDiscovery {
    . $PSScriptRoot/Libvirt.ps1
    $libvirt = Test-Libvirt
}

Describe 'The tutorial of encrypted disks under libvirt' -Skip:(-not $libvirt) {
    BeforeAll {
        . $PSScriptRoot/Libvirt.ps1
        chmod 755 $TestDrive
        $pool = "vmcrypt-$((New-Guid).ToString('N').Substring(0, 12))"
        $folder = New-Item -ItemType Directory (Join-Path $TestDrive pool)
        $path = Join-Path $folder demo.luks
        $uuid = New-Guid
        # Reads what the host wrote, and says so.
        $guest = 'echo HEAD $(head -c 11 /dev/vda) SIZE $(cat /sys/block/vda/size); while true; do sleep 9; done'

        function Start-Guest([string] $Disk) {
            $name = New-TestDomain $Disk $guest
            $null = Invoke-Virsh start $name
            $name
        }
    }

    AfterAll {
        Clear-Libvirt
        virsh -q -c $connectUri pool-destroy $pool *> $null
        virsh -q -c $connectUri pool-undefine $pool *> $null
        virsh -q -c $connectUri secret-undefine $uuid *> $null
    }

    It '1.1 defines a secret' {
        New-LibvirtSecretXml -Path $path -Uuid $uuid > $TestDrive/secret.xml
        $null = Invoke-Virsh secret-define $TestDrive/secret.xml
        (Register-LibvirtSecret -Usage Volume -Name $path -Passphrase $first -Force).Uuid | Should -Be $uuid
    }

    It '1.2 makes a pool' {
        New-LibvirtPoolXml $pool $folder > $TestDrive/pool.xml
        $null = Invoke-Virsh pool-create $TestDrive/pool.xml
        Invoke-Virsh pool-list | Should -Match $pool
    }

    It '1.3 makes a volume under Twofish whose capacity is no multiple of a sector' {
        New-LibvirtVolumeXml -Name demo.luks -Capacity 3111111111 -Format Raw -Cipher twofish-cbc-plain64 -KeySize 256 -SecretUuid $uuid > $TestDrive/volume.xml
        # qemu-img 7.2 now and then cannot measure its own time.
        for ($try = 0; $try -lt 30; $try++) {
            $said = virsh -q -c $connectUri vol-create $pool $TestDrive/volume.xml 2>&1 | Out-String
            if (-not $LASTEXITCODE) { break }
            $said | Should -Match 'accurate CPU usage'
        }
        $image = Get-EncryptedImage $path
        $image.Cipher | Should -BeExactly 'twofish-cbc-plain64'
        $image.KeySize | Should -Be 256
        $image.VirtualSize | Should -Be 3111111680
    }

    It '1.3 recognises the old volume, and does not write one' {
        qemu-img create -q -f qcow2 -o encrypt.format=aes,encrypt.key-secret=key --object secret,id=key,data=first $TestDrive/old.qcow2 1M
        (Get-EncryptedImage $TestDrive/old.qcow2).Encryption | Should -Be LegacyAes
        { New-LibvirtVolumeXml -Path $TestDrive/old.qcow2 -ErrorAction Stop } | Should -Throw -ErrorId 'LegacyEncryptionRefused,*'
        (Convert-Image $TestDrive/old.qcow2 $TestDrive/new.qcow2 -Passphrase $first -NewPassphrase $second @cheap).Encryption | Should -Be Inside
    }

    It '1.4 starts a VM that reads the disk' {
        $stream = Unlock-Image $path -Passphrase $first -AsStream
        $stream.Write([System.Text.Encoding]::ASCII.GetBytes('hello guest'), 0, 11)
        $stream.Dispose()
        $name = Start-Guest (New-LibvirtDiskXml $path -Target vda -SecretUuid $uuid)
        Wait-Console $name 'SIZE \d+' | Should -Match 'HEAD hello guest SIZE 6076390'
        (Get-VmDisk $name).Encryption | Should -Be Encrypted
        { Set-KeySlot $path -Passphrase $first -NewPassphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'ImageInUse,*'
        $null = Invoke-Virsh destroy $name
    }

    It '1.4 shows ciphertext where the element is missing, and says so' {
        $name = Start-Guest "<disk type='file'><driver name='qemu' type='raw'/><source file='$path'/><target dev='vda' bus='virtio'/></disk>"
        Wait-Console $name 'SIZE \d+' | Should -Not -Match 'hello guest'
        (Get-VmDisk $name).Encryption | Should -Be ElementMissing
        $null = Invoke-Virsh destroy $name
    }

    It '1.4 does not start with a wrong UUID' {
        { Start-Guest (New-LibvirtDiskXml $path -Target vda -SecretUuid $noSecret) } | Should -Throw '*no secret with matching uuid*'
    }

    It '1.4 changes the passphrase, and the same disk starts with the new one' {
        $null = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        { Start-Guest (New-LibvirtDiskXml $path -Target vda -SecretUuid $uuid) } | Should -Throw '*Invalid password*'
        (Register-LibvirtSecret $path -Passphrase $second -Force).Uuid | Should -Be $uuid
        $name = Start-Guest (New-LibvirtDiskXml $path -Target vda -SecretUuid $uuid)
        $null = Wait-Console $name 'HEAD hello guest'
        $null = Invoke-Virsh destroy $name
    }

    It '1.4 changes the passphrase while the VM runs and reads, and it starts with the new one' {
        $name = New-TestDomain (New-LibvirtDiskXml $path -Target vda -SecretUuid $uuid) @'
            while true; do echo 3 > /proc/sys/vm/drop_caches; echo READ $(head -c 11 /dev/vda) $((n=n+1)); done
'@
        $null = Invoke-Virsh start $name
        $null = Wait-Console $name 'READ hello guest 1\b'
        $slot = Get-VmDisk $name | Set-KeySlot -Passphrase $second -NewPassphrase $first -IterTime 10 -WarningAction SilentlyContinue
        $seen = [int]([regex]::Matches((Get-Content -Raw $TestDrive/$name.log), 'READ hello guest (\d+)') | Select-Object -Last 1).Groups[1].Value
        $log = Wait-Console $name "READ hello guest $($seen + 2)\b"
        [regex]::Matches($log, 'READ [^\r\n]*\r').Where{ $_.Value -notmatch '^READ hello guest \d+\r$' } | Should -BeNullOrEmpty

        (Get-KeySlot $path).Slot | Should -Be $slot.Slot
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
        $null = Invoke-Virsh destroy $name
        $null = Invoke-Virsh start $name
        $null = Invoke-Virsh destroy $name
    }

    It '1.5 takes a disk of cryptsetup''s, aes-cbc-plain' {
        $bare = Join-Path $folder bare.img
        $null = qemu-img create -q -f raw $bare 8M
        sh -c "printf first | cryptsetup luksFormat -q --type luks1 --cipher aes-cbc-plain --key-size 256 --pbkdf-force-iterations 1000 '$bare' -"
        $image = Get-EncryptedImage $bare
        $image.Cipher | Should -BeExactly 'aes-cbc-plain'
        $stream = Unlock-Image $bare -Passphrase $first -AsStream
        $stream.Write([System.Text.Encoding]::ASCII.GetBytes('hello guest'), 0, 11)
        $stream.Dispose()
    }

    It '1.6 stacks a plain and an encrypted overlay on a backing file' {
        $base = Join-Path $folder base.qcow2
        $plain = Join-Path $folder plain.qcow2
        $encrypted = Join-Path $folder encrypted.qcow2
        $null = qemu-img create -q -f qcow2 $base 4M
        qemu-io -f qcow2 -c 'write -P 0x62 0 64k' $base > $null
        qemu-img create -q -f qcow2 -b $base -F qcow2 $plain
        $null = New-EncryptedImage $encrypted -BackingFile $base -BackingFormat Qcow2 -Passphrase $first @cheap
        $images = Get-EncryptedImage $plain, $encrypted
        $images.IsEncrypted | Should -Be $false, $true
        $images.Backing.Path | Should -Be $base, $base
    }

    It '1.5 and 1.6 start a VM that reads them all' {
        $bare, $encrypted = 'bare.img', 'encrypted.qcow2' | ForEach-Object { Join-Path $folder $_ }
        $bare, $encrypted | ForEach-Object { $null = Register-LibvirtSecret $_ -Passphrase $first }
        $disks = (New-LibvirtDiskXml $bare -Target vda), (New-LibvirtDiskXml (Join-Path $folder plain.qcow2) -Target vdb), (New-LibvirtDiskXml $encrypted -Target vdc)
        $name = New-TestDomain $disks 'for disk in vda vdb vdc; do echo $disk: $(head -c 11 /dev/$disk); done; echo END; while true; do sleep 9; done'
        $null = Invoke-Virsh start $name
        $log = Wait-Console $name 'END'
        $log | Should -Match 'vda: hello guest'
        $log | Should -Match 'vdb: bbbbbbbbbbb'
        $log | Should -Match 'vdc: bbbbbbbbbbb'
        $null = Invoke-Virsh destroy $name
    }
}
