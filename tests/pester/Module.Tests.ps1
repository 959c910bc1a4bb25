BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $declared = Test-ModuleManifest $manifest
}

Describe 'The module' {
    It 'exports what its manifest says, and nothing else' {
        (Get-Command -Module VmCrypt).Name | Sort-Object | Should -Be @($declared.ExportedCmdlets.Keys | Sort-Object)
    }

    It 'uses approved verbs' {
        $approved = (Get-Verb).Verb
        (Get-Command -Module VmCrypt).Verb | Should -BeIn $approved
    }

    It 'has help for every cmdlet: <_>' -ForEach (Import-PowerShellDataFile $PSScriptRoot/../../VmCrypt.psd1).CmdletsToExport {
        $help = Get-Help $_
        $help.Synopsis | Should -Not -BeNullOrEmpty
        $help.examples.example.Count | Should -BeGreaterThan 0
        $described = $help.parameters.parameter.name
        $common = [System.Management.Automation.PSCmdlet]::CommonParameters
        (Get-Command $_).Parameters.Keys | Where-Object { $_ -notin $common } | Should -BeIn $described
    }

    It 'has its topic' {
        Get-Help about_VmCrypt | Should -Match 'Secrets'
    }

    It 'keeps the libraries of others to itself' {
        $null = New-EncryptedImage $TestDrive/twofish.img 4MB -Format Raw -Cipher twofish-xts-plain64 -Passphrase $first @cheap
        $loaded = [System.Runtime.Loader.AssemblyLoadContext]::Default.Assemblies.GetName().Name
        $loaded | Should -Contain 'VmCrypt.Core'
        $loaded | Should -Not -Contain 'BouncyCastle.Crypto'
    }

    It 'works where another module has brought an older version of such a library' {
        $script = {
            param($folder, $manifest)
            $older = [System.Reflection.Emit.PersistedAssemblyBuilder]::new('BouncyCastle.Crypto, Version=1.0.0.0', [object].Assembly)
            $null = $older.DefineDynamicModule('BouncyCastle.Crypto')
            $older.Save("$folder/BouncyCastle.Crypto.dll")
            $null = [System.Reflection.Assembly]::LoadFrom("$folder/BouncyCastle.Crypto.dll")
            Import-Module $manifest
            $secret = ConvertTo-SecureString x -AsPlainText -Force
            (New-EncryptedImage $folder/serpent.img 4MB -Format Raw -Cipher serpent-xts-plain64 -Passphrase $secret -Iterations 1000 -Force).Cipher
        }
        $pwsh = (Get-Process -Id $PID).Path
        & $pwsh -NoProfile -NonInteractive -Command $script -args $TestDrive, $manifest | Should -BeExactly 'serpent-xts-plain64'
    }
}
