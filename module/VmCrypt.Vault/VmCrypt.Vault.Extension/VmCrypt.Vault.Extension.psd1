@{
  ModuleVersion     = '0.1.0'
  GUID              = '0c0d4f35-0a6c-4f5c-8d55-7a1d0c9b8e21'
  RootModule        = 'VmCrypt.Vault.Extension.psm1'
  FunctionsToExport = @('Get-Secret', 'Set-Secret', 'Remove-Secret', 'Get-SecretInfo', 'Test-SecretVault', 'Unlock-SecretVault')
  CmdletsToExport   = @()
  VariablesToExport = @()
  AliasesToExport   = @()
}
