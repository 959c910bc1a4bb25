# Encrypted disks on the cluster that ./build.sh test-ceph starts. Three ways to the same bytes: QEMU's rbd driver behind an NBD export
# for our own engine, QEMU's rbd driver under our nodes, and libvirt.
BeforeDiscovery { $ceph = $env:VMCRYPT_TEST_CEPH }

Describe 'An encrypted disk on Ceph RBD' -Skip:(-not $ceph) {
    BeforeAll {
        . $PSScriptRoot/../pester/Libvirt.ps1
        $config = $env:VMCRYPT_TEST_CEPH
        $secretFile = Join-Path $TestDrive first.secret
        Set-Content $secretFile first -NoNewline
        Set-Content $TestDrive/content.raw ('cleartext on the cluster' * 100KB) -NoNewline
        qemu-img resize -q -f raw $TestDrive/content.raw 4M
        $sum = (Get-FileHash $TestDrive/content.raw).Hash

        function Invoke-Rbd { rbd --conf $config @args; if ($LASTEXITCODE) { throw "rbd $args" } }

        # Serves an RBD image as it lies on the cluster, and returns its URI.
        function Start-Export([string] $Image) {
            $socket = Join-Path $TestDrive "$Image.sock"
            $null = Start-Process qemu-nbd -RedirectStandardOutput "$socket.log" -ArgumentList '--persistent', '--shared=4', '--format=raw', '--socket', $socket, "--pid-file=$socket.pid", "rbd:rbd/${Image}:conf=$config"
            for ($try = 0; $try -lt 200 -and -not (Test-Path "$socket.pid"); $try++) { Start-Sleep -Milliseconds 50 }
            "nbd+unix:///?socket=$socket"
        }

        function Stop-Export([string] $Image) {
            $file = Join-Path $TestDrive "$Image.sock.pid"
            $server = [int](Get-Content $file)
            Stop-Process -Id $server
            Wait-Process -Id $server -ErrorAction SilentlyContinue
            Remove-Item $file -ErrorAction SilentlyContinue
        }

        # An RBD image with just the room for the content and a LUKS1 header, encrypted under 'first' by us.
        function New-RbdDisk([string] $Image) {
            Invoke-Rbd create --size 6M $Image
            $uri = Start-Export $Image
            $made = Convert-Image $TestDrive/content.raw -Format Raw -Destination $uri -DestinationFormat Raw -NewPassphrase $first -Force @cheap
            Stop-Export $Image
            $made
        }

        # Whether the image's bytes on the cluster hold the text.
        function Test-Cleartext([string] $Image) {
            Invoke-Rbd export --no-progress $Image $TestDrive/$Image.bytes
            $found = grep -c 'cleartext on the cluster' $TestDrive/$Image.bytes
            Remove-Item $TestDrive/$Image.bytes
            [int] $found -gt 0
        }

        # SHA-256 of a disk as its guest sees it.
        function Get-PlainSum([string] $Image) {
            qemu-img convert --object "secret,id=key0,file=$secretFile" --image-opts "driver=luks,key-secret=key0,file.driver=rbd,file.pool=rbd,file.image=$Image,file.conf=$config" -O raw $TestDrive/$Image.raw
            (Get-FileHash $TestDrive/$Image.raw).Hash.ToLowerInvariant()
        }

        $secret = New-QemuSecret key0 -Passphrase $first -OutFile $TestDrive/key0
    }

    # What a test that failed has left.
    AfterEach { Get-Item $TestDrive/*.sock.pid | ForEach-Object { Stop-Export ($_.Name -replace '\.sock\.pid$') } }

    It 'is created on an empty RBD image, and QEMU opens it' {
        Invoke-Rbd create --size 16M created
        $uri = Start-Export created
        $disk = New-EncryptedImage $uri -Format Raw -Size 12MB -Passphrase $first -Force @cheap
        $disk.Encryption | Should -Be Attached
        Stop-Export created
        $info = qemu-img info --output=json --object "secret,id=key0,file=$secretFile" --image-opts "driver=luks,key-secret=key0,file.driver=rbd,file.pool=rbd,file.image=created,file.conf=$config" | ConvertFrom-Json
        $info.'virtual-size' | Should -Be $disk.VirtualSize
    }

    It 'takes a disk and gives it back, and shows nothing of it on the cluster' {
        $null = New-RbdDisk there
        Test-Cleartext there | Should -BeFalse
        $uri = Start-Export there
        (Get-EncryptedImage $uri).Luks.Version | Should -Be Luks1
        $null = Unlock-Image $uri -Passphrase $first -OutFile $TestDrive/back.raw -Force
        qemu-img compare -f raw -F raw $TestDrive/content.raw $TestDrive/back.raw | Out-String | Should -Match identical
        $null = Set-KeySlot $uri -Passphrase $first -NewPassphrase $second @cheap
        Test-KeySlot $uri -Passphrase $first | Should -BeFalse
        Stop-Export there
    }

    It 'is what the nodes of New-QemuBlockdev open in a real QEMU, which reads the same' {
        $null = New-RbdDisk node
        $node = New-QemuBlockdev -RbdImage rbd/node -RbdConfig $config -NodeName disk0 -SecretId key0 -ReadOnly
        $said = '{"execute":"qmp_capabilities"}{"execute":"query-named-block-nodes","arguments":{"flat":true}}{"execute":"quit"}' |
            qemu-system-x86_64 -machine none -nodefaults -display none -qmp stdio -object $secret.Argument -blockdev $node.Argument
        $found = ($said | ForEach-Object { $_ | ConvertFrom-Json }).return | Where-Object 'node-name' -eq disk0
        $found.drv | Should -BeExactly luks
        qemu-img convert --object "secret,id=key0,file=$secretFile" --image-opts ($node.Argument -replace ',node-name=[^,]*') -O raw $TestDrive/node.raw
        qemu-img compare -f raw -F raw $TestDrive/content.raw $TestDrive/node.raw | Out-String | Should -Match identical
    }

    It 'may be LUKS2 that librbd has made, which QEMU''s own engine does not read' {
        Invoke-Rbd create --size 32M librbd
        Invoke-Rbd encryption format librbd luks2 $secretFile --cipher-alg aes-256
        $uri = Start-Export librbd
        $image = Get-EncryptedImage $uri
        $image.Luks.Version | Should -Be Luks2
        Test-KeySlot $uri -Passphrase $first | Should -BeTrue
        $stream = Unlock-Image $uri -Passphrase $first -AsStream
        $stream.Write([System.IO.File]::ReadAllBytes("$TestDrive/content.raw"), 0, 1MB)
        $stream.Dispose()
        Stop-Export librbd
        Test-Cleartext librbd | Should -BeFalse

        # librbd decrypts what we have written.
        $node = "driver=rbd,pool=rbd,image=librbd,conf=$config,encrypt.format=luks2,encrypt.key-secret=key0"
        qemu-io -r --object "secret,id=key0,file=$secretFile" -c 'read -v 0 512' --image-opts $node | Out-String | Should -Match 'cleartext.on.the'
    }

    It 'is encrypted where it was plain, and the plain bytes are wiped' {
        qemu-img convert -f raw -O raw $TestDrive/content.raw "rbd:rbd/plain:conf=$config"
        Test-Cleartext plain | Should -BeTrue
        Invoke-Rbd create --size 6M copy
        $plain = Start-Export plain
        $copy = Start-Export copy
        $null = Convert-Image $plain -Format Raw -Destination $copy -DestinationFormat Raw -NewPassphrase $first -Force @cheap
        $null = Unlock-Image $copy -Passphrase $first -OutFile $TestDrive/copy.raw -Force
        qemu-img compare -f raw -F raw $TestDrive/content.raw $TestDrive/copy.raw | Out-String | Should -Match identical

        $wiped = Invoke-SecureWipe $plain -Standard Zero -Force
        $wiped.Result | Should -Not -Be Erased -Because 'whoever serves the disk alone knows what lies below it'
        Stop-Export plain
        Stop-Export copy
        Test-Cleartext plain | Should -BeFalse
    }

    It 'is gone once its key slots are destroyed' {
        $null = New-RbdDisk doomed
        $uri = Start-Export doomed
        $null = Remove-LuksHeader $uri -Force
        (Get-EncryptedImage $uri).ActiveKeySlots | Should -Be 0
        Test-KeySlot $uri -Passphrase $first -ErrorAction SilentlyContinue | Should -Not -BeTrue
        Stop-Export doomed
    }

    It 'is booted by libvirt, with a ceph secret and a volume secret' -Skip:(-not (Get-Command virsh -ErrorAction Ignore)) {
        if (-not (Test-Libvirt)) { Set-ItResult -Skipped -Because 'no libvirt answers' }
        $null = New-RbdDisk vm
        $key = Join-Path $TestDrive libvirt.key
        [System.IO.File]::WriteAllBytes($key, [System.Convert]::FromBase64String((ceph --conf $config auth get-key client.libvirt)))
        $user = Register-LibvirtSecret -Usage Ceph -Name "client.libvirt $(New-Guid)" -KeyFile $key -WarningAction SilentlyContinue
        $volume = Register-LibvirtSecret -Usage Volume -Name "$TestDrive/rbd/vm" -Passphrase $first
        try {
            chmod 755 $TestDrive
            $disk = New-LibvirtDiskXml -RbdImage rbd/vm -RbdHost $env:VMCRYPT_TEST_CEPH_HOST -RbdUser libvirt -RbdUserSecret $user.Uuid -SecretUuid $volume.Uuid -Target vda
            $name = New-TestDomain $disk 'echo SUM $(sha256sum < /dev/vda); while true; do sleep 9; done'
            $null = Invoke-Virsh start $name
            Wait-Console $name 'SUM \w+' | Should -Match (Get-PlainSum vm)
            (Get-VmDisk $name).Encryption | Should -Be Encrypted
        }
        finally {
            Clear-Libvirt
            $user | Unregister-LibvirtSecret -Force
        }
    }
}
