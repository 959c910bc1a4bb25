BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $manifest = Test-ModuleManifest (Get-Module VmCrypt).Path.Replace('VmCrypt.Commands.dll', 'VmCrypt.psd1')
}

Describe 'The module' {
    It 'exports what its manifest says, and nothing else' {
        (Get-Command -Module VmCrypt).Name | Sort-Object | Should -Be @($manifest.ExportedCmdlets.Keys | Sort-Object)
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
        $loaded = [System.Runtime.Loader.AssemblyLoadContext]::Default.Assemblies.GetName().Name
        $loaded | Should -Contain 'VmCrypt.Core'
        $loaded | Should -Not -Contain 'BouncyCastle.Crypto'
    }
}
