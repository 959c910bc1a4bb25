BeforeAll {
    . $PSScriptRoot/Setup.ps1
}

Describe 'New-LibvirtSecretXml' {
    It 'writes the definition of a disk''s secret' {
        $secret = ([xml](New-LibvirtSecretXml -Path /vm/web.qcow2 -Description 'a & b' -Private)).secret
        $secret.private | Should -Be 'yes'
        $secret.ephemeral | Should -Be 'no'
        $secret.description | Should -Be 'a & b'
        $secret.usage.type | Should -Be 'volume'
        $secret.usage.volume | Should -Be '/vm/web.qcow2'
        { [guid] $secret.uuid } | Should -Not -Throw
    }

    It 'is one text, so that > and Set-Content write it as it is' {
        $text = New-LibvirtSecretXml -Path "/vm/$('x' * 300).qcow2"
        $text | Should -BeOfType string
        $text > $TestDrive/secret.xml
        ([xml](Get-Content -Raw $TestDrive/secret.xml)).secret.usage.volume | Should -Be "/vm/$('x' * 300).qcow2"
    }

    It 'takes files, paths and objects from the pipeline' {
        Set-Content $TestDrive/a.img x
        $fromFile = Get-Item $TestDrive/a.img | New-LibvirtSecretXml
        ([xml] $fromFile).secret.usage.volume | Should -Be (Get-Item $TestDrive/a.img).FullName
        $texts = '/vm/a', '/vm/b' | New-LibvirtSecretXml
        $texts | Should -HaveCount 2
        $fromObject = [pscustomobject]@{ Path = '/vm/c'; Other = 1 } | New-LibvirtSecretXml
        ([xml] $fromObject).secret.usage.volume | Should -Be '/vm/c'
    }

    It 'knows the usage <Usage>' -ForEach @(
        @{ Usage = 'Ceph'; Type = 'ceph'; Element = 'name' }
        @{ Usage = 'Iscsi'; Type = 'iscsi'; Element = 'target' }
        @{ Usage = 'Tls'; Type = 'tls'; Element = 'name' }
        @{ Usage = 'Vtpm'; Type = 'vtpm'; Element = 'name' }
    ) {
        $secret = ([xml](New-LibvirtSecretXml -Usage $Usage -Name 'the name')).secret
        $secret.usage.type | Should -BeExactly $Type
        $secret.usage.$Element | Should -BeExactly 'the name'
    }

    It 'refuses what libvirt''s schema refuses, and goes on with the next' {
        $texts = 'env:PATH', '/vm/b' | New-LibvirtSecretXml -ErrorVariable failed -ErrorAction SilentlyContinue
        $texts | Should -HaveCount 1
        $failed[0].FullyQualifiedErrorId | Should -BeExactly 'LocationInvalid,VmCrypt.Commands.Libvirt.NewLibvirtSecretXmlCommand'
        { New-LibvirtSecretXml -Usage Ceph -Name 'a/b' -ErrorAction Stop } |
            Should -Throw -ErrorId 'SecretDefinitionInvalid,*.NewLibvirtSecretXmlCommand'
    }
}
