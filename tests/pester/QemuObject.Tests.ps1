BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img, qemu-system-x86_64 -ErrorAction Ignore)
    $hasCryptsetup = [bool](Get-Command cryptsetup -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1

    # What a real QEMU says of objects and nodes on its command line: nothing where it takes them. It ends by itself.
    function Test-Qemu([string[]] $Arguments) {
        $said = '{"execute":"qmp_capabilities"}{"execute":"quit"}' | qemu-system-x86_64 -machine none -nodefaults -display none -qmp stdio @Arguments 2>&1
        $LASTEXITCODE | Should -Be 0 -Because ($said | Out-String)
    }

    # The node as qemu-img takes it, which gives no names.
    function Get-ImageOption($Node) {
        '--image-opts', ($Node.Argument -replace ',node-name=[^,]*')
    }
}

Describe 'New-QemuSecret' {
    It 'puts the value into a file that is its owner''s alone' {
        $secret = New-QemuSecret key0 -Passphrase $first -OutFile $TestDrive/key0
        $secret.Argument | Should -BeExactly "secret,id=key0,file=$TestDrive/key0"
        ($secret.Json | ConvertFrom-Json).'qom-type' | Should -BeExactly secret
        Get-Content $TestDrive/key0 -Raw | Should -BeExactly first
        if ($IsLinux) { (Get-Item $TestDrive/key0).UnixFileMode | Should -BeExactly ([System.IO.UnixFileMode]'UserRead, UserWrite') }
        { New-QemuSecret key0 -Passphrase $second -OutFile $TestDrive/key0 -ErrorAction Stop } | Should -Throw -ErrorId 'FileExists,*'
        $null = New-QemuSecret key0 -Passphrase $second -OutFile $TestDrive/key0 -Force
        Get-Content $TestDrive/key0 -Raw | Should -BeExactly second
    }

    It 'shows the value only when asked, and writes nothing under -WhatIf' {
        New-QemuSecret key0 -Passphrase $first -OutFile $TestDrive/whatif -WhatIf
        "$TestDrive/whatif" | Should -Not -Exist
        (New-QemuSecret key0 -Passphrase $first -AsData).Argument | Should -BeExactly 'secret,id=key0,data=first'
    }

    It 'wraps it under a master secret, and QEMU opens a disk with that' -Skip:(-not $hasQemu) {
        [System.IO.File]::WriteAllBytes("$TestDrive/master", [byte[]](1..32))
        $wrapped = New-QemuSecret key0 -Passphrase $first -MasterKeyFile $TestDrive/master -MasterKeyId master0
        $wrapped.Argument | Should -Match 'keyid=master0' -Because 'it names the master'
        $wrapped.Argument | Should -Not -Match 'data=first'
        $node = New-QemuBlockdev (New-TestImage) -NodeName disk0 -SecretId key0
        Test-Qemu '-object', "secret,id=master0,format=raw,file=$TestDrive/master", '-object', $wrapped.Argument, '-blockdev', $node.Argument
    }

    It 'refuses names and combinations that QEMU has not' {
        { New-QemuSecret 0key -Passphrase $first -AsData -ErrorAction Stop } | Should -Throw -ErrorId 'QemuOptionInvalid,*'
        { New-QemuSecret key0 -Passphrase $first -AsData -OutFile $TestDrive/both -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
        { New-QemuSecret key0 -Passphrase $first -MasterKeyId master0 -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
    }
}

Describe 'New-QemuObject' {
    It 'makes <Kind>' -ForEach @(
        @{ Kind = 'iothread'; With = @{ IOThread = $true; PollMaxNs = 32768 }; Argument = 'iothread,id=o,poll-max-ns=32768' }
        @{ Kind = 'authz-simple'; With = @{ AuthzSimple = $true; Identity = 'CN=a,O=b' }; Argument = 'authz-simple,id=o,identity=CN=a,,O=b' }
        @{ Kind = 'authz-listfile'; With = @{ AuthzListFile = '/etc/vm.acl'; Refresh = $true }; Argument = 'authz-listfile,id=o,filename=/etc/vm.acl,refresh=on' }
        @{ Kind = 'authz-pam'; With = @{ AuthzPam = 'vm' }; Argument = 'authz-pam,id=o,service=vm' }
        @{ Kind = 'tls-creds-x509'; With = @{ TlsX509 = '/etc/pki'; Endpoint = 'Server'; NoVerifyPeer = $true }; Argument = 'tls-creds-x509,id=o,dir=/etc/pki,endpoint=server,verify-peer=off' }
        @{ Kind = 'tls-creds-psk'; With = @{ TlsPsk = '/etc/psk'; Endpoint = 'Client'; UserName = 'u' }; Argument = 'tls-creds-psk,id=o,dir=/etc/psk,endpoint=client,username=u' }
        @{ Kind = 'cryptodev-vhost-user'; With = @{ CryptodevChardev = 'c'; Queue = 2 }; Argument = 'cryptodev-vhost-user,id=o,chardev=c,queues=2' }
        @{ Kind = 'sev-guest'; With = @{ SevEncryptionBit = 47; ReducedPhysBits = 1; SevPolicy = 5 }; Argument = 'sev-guest,id=o,policy=5,cbitpos=47,reduced-phys-bits=1' }
    ) {
        $made = New-QemuObject o @With
        $made.Type | Should -BeExactly $Kind
        $made.Argument | Should -BeExactly $Argument
        ($made.Json | ConvertFrom-Json).id | Should -BeExactly o
    }

    It 'makes what a real QEMU takes' -Skip:(-not $hasQemu) {
        $objects = (New-QemuObject io0 -IOThread -PollMaxNs 32768), (New-QemuObject a0 -AuthzSimple -Identity 'CN=a,O=b'),
            (New-QemuObject a1 -AuthzList -Allow 'CN=*.example' -Deny 'CN=x'), (New-QemuObject t0 -Throttle -BytesPerSecond 10MB)
        Test-Qemu ($objects | ForEach-Object { '-object', $_.Argument })
    }

    It 'refuses numbers that QEMU refuses' {
        { New-QemuObject o -SevEncryptionBit 5 -ReducedPhysBits 1 -ErrorAction Stop } | Should -Throw -ErrorId 'QemuOptionInvalid,*'
        { New-QemuObject o -IOThread -PollMaxNs -1 -ErrorAction Stop } | Should -Throw -ErrorId 'QemuOptionInvalid,*'
    }
}

Describe 'New-QemuBlockdev' {
    It 'makes nodes of <Name> that QEMU opens' -Skip:(-not $hasQemu) -ForEach @(
        @{ Name = 'LUKS in front'; File = 'disk.luks'; With = @{ Format = 'Raw' } }
        @{ Name = 'LUKS inside qcow2'; File = 'disk.qcow2'; With = @{} }
    ) {
        $path = New-TestImage $File $With
        $secret = New-QemuSecret key0 -Passphrase $first -OutFile $TestDrive/node.key -Force
        $node = New-QemuBlockdev $path -NodeName disk0 -SecretId key0 -Cache None -Discard
        $node.NodeName | Should -BeExactly disk0
        Test-Qemu '-object', $secret.Argument, '-blockdev', $node.Argument
        Test-Qemu '-object', $secret.Argument, '-blockdev', $node.Json
    }

    It 'makes those of an encrypted overlay on a plain image' -Skip:(-not $hasQemu) {
        qemu-img create -q -f qcow2 $TestDrive/base.qcow2 4M
        $overlay = Join-Path $TestDrive overlay.qcow2
        $null = New-EncryptedImage $overlay -BackingFile $TestDrive/base.qcow2 -BackingFormat Qcow2 -Passphrase $first @cheap
        $secret = New-QemuSecret key0 -Passphrase $first -OutFile $TestDrive/node.key -Force
        $node = New-QemuBlockdev $overlay -NodeName disk0 -SecretId key0
        ($node.Json | ConvertFrom-Json).backing.driver | Should -BeExactly qcow2
        Test-Qemu '-object', $secret.Argument, '-blockdev', $node.Argument
    }

    It 'makes those of RBD' {
        $node = New-QemuBlockdev -RbdImage vms/web01 -RbdUser cinder -NodeName disk0 -SecretId key0
        ($node.Json | ConvertFrom-Json).file.pool | Should -BeExactly vms
        { New-QemuBlockdev -RbdImage web01 -NodeName disk0 -ErrorAction Stop } | Should -Throw -ErrorId 'QemuOptionInvalid,*'
    }

    It 'asks for the secret of what is encrypted' {
        { New-QemuBlockdev (New-TestImage) -NodeName disk0 -ErrorAction Stop } | Should -Throw -ErrorId 'KeyRequired,*'
    }

    It 'gives QEMU LUKS2 by an export' -Skip:(-not ($hasQemu -and $hasCryptsetup)) {
        $path = Join-Path $TestDrive two.luks
        $null = qemu-img create -q -f raw $path 24M
        sh -c "printf first | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 '$path' -"
        { New-QemuBlockdev $path -NodeName disk0 -SecretId key0 -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtInexpressible,*'

        # The guest has made a qcow2 image of its whole disk, which says that it stands on a file of the host.
        qemu-img create -q -f qcow2 -b /etc/hostname -F raw $TestDrive/guest.qcow2 1M
        $stream = Unlock-Image $path -Passphrase $first -AsStream
        $content = Get-FileBytes $TestDrive/guest.qcow2
        $stream.Write($content, 0, $content.Length)
        $stream.Dispose()

        $export = Unlock-Image $path -Passphrase $first -Socket $TestDrive/two.sock
        try {
            $node = $export | New-QemuBlockdev -NodeName disk0
            $node.Argument | Should -BeExactly "driver=raw,node-name=disk0,file.driver=nbd,file.server.type=unix,file.server.path=$TestDrive/two.sock"
            ($export | New-LibvirtDiskXml -Target vda) | Should -Match "type=.raw."
            Test-Qemu '-blockdev', $node.Argument
            qemu-img convert @(Get-ImageOption $node) -O raw $TestDrive/read.raw
            [System.Convert]::ToHexString((Get-FileBytes $TestDrive/read.raw)[0..($content.Length - 1)]) | Should -BeExactly ([System.Convert]::ToHexString($content))
        }
        finally { $export | Lock-Image }
    }
}
