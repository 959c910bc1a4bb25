BeforeAll {
    . $PSScriptRoot/Setup.ps1

    # Fails unless libvirt's schema accepts the text.
    function Confirm-Schema([string] $Xml, [string] $Schema) {
        if (-not (Get-Command virt-xml-validate, xmllint -ErrorAction SilentlyContinue)) { return }
        if ($Schema -eq 'domain') {
            $Xml = "<domain type='qemu'><name>x</name><memory>1</memory><os><type>hvm</type></os><devices>$Xml</devices></domain>"
        }
        Set-Content $TestDrive/definition.xml $Xml
        virt-xml-validate $TestDrive/definition.xml $Schema 2>&1 | Out-String | Should -Match 'validates'
    }
}

Describe 'New-LibvirtDiskXml' {
    It 'makes a disk of an image from the pipeline' {
        $path = New-TestImage
        $text = Get-EncryptedImage $path | New-LibvirtDiskXml -Target vda
        $disk = ([xml] $text).disk
        $disk.type | Should -BeExactly 'file'
        $disk.driver.type | Should -BeExactly 'qcow2'
        $disk.source.file | Should -BeExactly $path
        $disk.source.encryption.format | Should -BeExactly 'luks'
        $disk.source.encryption.secret.usage | Should -BeExactly $path
        $disk.target.dev | Should -BeExactly 'vda'
        Confirm-Schema $text domain
    }

    It 'says LUKS in front as a raw disk' {
        $path = New-TestImage disk.luks @{ Format = 'Raw' }
        $text = New-LibvirtDiskXml $path -Target vdb -SecretUuid 7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42 -Cache None -IO Native -Discard Unmap -IOThread 1 -Serial A1 -ReadOnly
        $disk = ([xml] $text).disk
        $disk.driver.type | Should -BeExactly 'raw'
        $disk.driver.io | Should -BeExactly 'native'
        $disk.source.encryption.secret.uuid | Should -BeExactly '7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42'
        Confirm-Schema $text domain
    }

    It 'names every image of a chain, each with its secret' {
        $base = New-TestImage base.qcow2
        $top = Join-Path $TestDrive top.qcow2
        $null = New-EncryptedImage $top -BackingFile base.qcow2 -BackingFormat Qcow2 -Passphrase $second -Force @cheap
        $text = New-LibvirtDiskXml $top -Target vda
        $disk = ([xml] $text).disk
        $disk.source.encryption.secret.usage | Should -BeExactly $top
        $disk.backingStore.source.file | Should -BeExactly $base
        $disk.backingStore.source.encryption.secret.usage | Should -BeExactly $base
        Confirm-Schema $text domain
    }

    It 'makes a network disk of an export, whatever is behind it' {
        $export = Unlock-Image (New-TestImage) -Passphrase $first
        try {
            $disk = ([xml] (New-LibvirtDiskXml $export.Uri -Target vda)).disk
            $disk.source.protocol | Should -BeExactly 'nbd'
            $disk.source.host.transport | Should -BeExactly 'unix'
        }
        finally { $export | Lock-Image }
    }

    It 'knows RBD, with QEMU''s and with Ceph''s own encryption' {
        $secret = '7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42'
        $text = New-LibvirtDiskXml -RbdImage vms/web -RbdHost mon1:6789, mon2 -RbdUser libvirt -RbdUserSecret $secret -Encryption Luks2 -Engine Librbd -SecretUuid $secret -Target vda
        ([xml] $text).disk.source.encryption.engine | Should -BeExactly 'librbd'
        Confirm-Schema $text domain
        { New-LibvirtDiskXml -RbdImage vms/web -Encryption Luks2 -SecretUuid $secret -Target vda -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtDefinitionInvalid,*'
        { New-LibvirtDiskXml -RbdImage vms/web -Encryption Qcow -SecretUuid $secret -Target vda -ErrorAction Stop } | Should -Throw -ErrorId 'LegacyEncryptionRefused,*'
    }

    It 'refuses what QEMU cannot open, and says what to do instead' {
        $path = New-TestImage
        qemu-img create -q -f qcow2 -o encrypt.format=aes,encrypt.key-secret=key --object secret,id=key,data=x $TestDrive/legacy.qcow2 1M
        { New-LibvirtDiskXml $TestDrive/legacy.qcow2 -Target vda -ErrorAction Stop } | Should -Throw -ErrorId 'LegacyEncryptionRefused,*'
        $header = Join-Path $TestDrive header.luks
        $null = New-EncryptedImage $TestDrive/detached.img -Format Raw -Size 4MB -DetachedHeader $header -Passphrase $first -Force @cheap
        { New-LibvirtDiskXml $TestDrive/detached.img -DetachedHeader $header -Target vda -ErrorAction Stop } | Should -Throw '*Unlock-Image*'
    }
}

Describe 'New-LibvirtVolumeXml' {
    It 'describes the tutorial''s volume' {
        $text = New-LibvirtVolumeXml -Name demo.luks -Capacity 3111111111 -Format Raw -Cipher twofish-cbc-plain64 -KeySize 256 -SecretUuid 7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42 -Verbose 4>&1
        $text[0] | Should -Match '3111111680'
        $volume = ([xml] $text[1]).volume
        $volume.capacity.'#text' | Should -BeExactly '3111111111'
        $volume.target.encryption.cipher.OuterXml | Should -BeExactly '<cipher name="twofish" size="256" mode="cbc" hash="sha256" />'
        $volume.target.encryption.ivgen.name | Should -BeExactly 'plain64'
        Confirm-Schema $text[1] storagevol
    }

    It 'describes a volume like an image' {
        $path = New-TestImage
        $text = Get-EncryptedImage $path | New-LibvirtVolumeXml
        $volume = ([xml] $text).volume
        $volume.name | Should -BeExactly 'disk.qcow2'
        $volume.target.encryption.cipher.mode | Should -BeExactly 'xts'
        $volume.target.encryption.cipher.size | Should -BeExactly '256'
        Confirm-Schema $text storagevol
    }

    It 'wants a secret, or to be told that none is meant' {
        { New-LibvirtVolumeXml -Name a -Capacity 1GB -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*'
        Confirm-Schema (New-LibvirtVolumeXml -Name a -Capacity 1GB -Plain) storagevol
    }
}

Describe 'New-LibvirtPoolXml' {
    It 'describes a pool of the type <Type>' -ForEach @(
        @{ Type = 'Dir'; With = @{ TargetPath = '/srv/vms' } }
        @{ Type = 'Fs'; With = @{ TargetPath = '/srv/vms'; Device = '/dev/sdb1' } }
        @{ Type = 'Logical'; With = @{ SourceName = 'vg0' } }
        @{ Type = 'Iscsi'; With = @{ TargetPath = '/dev/disk/by-path'; Device = 'iqn.2010-05.com.example:vms'; SourceHost = 'san' } }
        @{ Type = 'Rbd'; With = @{ SourceHost = 'mon1:6789'; SourceUser = 'libvirt'; SourceUserSecret = '7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42' } }
    ) {
        Confirm-Schema (New-LibvirtPoolXml vms -Type $Type @With) storagepool
    }

    It 'refuses what the type has no use for' {
        { New-LibvirtPoolXml vms -Type Rbd -TargetPath /srv -SourceHost a -ErrorAction Stop } | Should -Throw -ErrorId 'LibvirtDefinitionInvalid,*'
    }
}
