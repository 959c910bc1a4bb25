# The key store as a vault of SecretManagement: Register-SecretVault -ModuleName takes the path of this folder.
@{
  ModuleVersion     = '0.1.0'
  GUID              = '5d3f1c0e-6f0b-4a5d-9d0e-2f1f6c1b7a44'
  Author            = 'VmCrypt contributors'
  CompanyName       = 'VmCrypt'
  Copyright         = '(c) VmCrypt contributors. MIT licence.'
  Description       = 'Gives SecretManagement the stored secrets of encrypted disks.'
  PowerShellVersion = '7.6'
  NestedModules     = @('./VmCrypt.Vault.Extension')
  FunctionsToExport = @()
  CmdletsToExport   = @()
  VariablesToExport = @()
  AliasesToExport   = @()
  PrivateData       = @{ PSData = @{ Tags = @('SecretManagement') } }
}
