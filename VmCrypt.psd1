@{
  RootModule           = 'VmCrypt.Commands.dll'
  # The one place that says the version: the build reads it from here.
  ModuleVersion        = '0.1.0'
  GUID                 = '90f34233-3417-4748-8119-b7d5c56c994f'
  Author               = 'VmCrypt contributors'
  CompanyName          = 'VmCrypt'
  Copyright            = '(c) VmCrypt contributors. MIT licence.'
  Description          = 'Encrypted VM disks for KVM and Hyper-V hosts: create, open, re-key, convert and export LUKS disks, byte-compatible with QEMU and cryptsetup.'
  PowerShellVersion    = '7.6'
  CompatiblePSEditions = @('Core')
  FormatsToProcess     = @('VmCrypt.Format.ps1xml')
  FunctionsToExport    = @()
  CmdletsToExport      = @(
    'Add-KeySlot'
    'Add-KeyToken'
    'Add-RecoveryKey'
    'Add-VmDisk'
    'Backup-LuksHeader'
    'Convert-Image'
    'ConvertTo-Luks1'
    'ConvertTo-Luks2'
    'Export-UsbWhitelist'
    'Export-VolumeKey'
    'Get-EncryptedImage'
    'Get-KeySlot'
    'Get-KeyToken'
    'Get-LibvirtSecret'
    'Get-UsbDevice'
    'Get-UsbGuard'
    'Get-UsbRedirProxy'
    'Get-UsbWhitelist'
    'Get-VmDisk'
    'Get-WipePolicy'
    'Get-WipeStandard'
    'Import-UsbWhitelist'
    'Invoke-SecureWipe'
    'Lock-Image'
    'New-EncryptedImage'
    'New-LibvirtDiskXml'
    'New-LibvirtPoolXml'
    'New-LibvirtSecretXml'
    'New-LibvirtVolumeXml'
    'New-WipeCertificate'
    'Protect-VmDisk'
    'Register-LibvirtSecret'
    'Remove-KeySlot'
    'Remove-KeyToken'
    'Remove-LuksHeader'
    'Remove-UsbWhitelist'
    'Remove-VmDisk'
    'Repair-Image'
    'Resize-Image'
    'Restore-LuksHeader'
    'Resume-SecureWipe'
    'Set-KeySlot'
    'Set-UsbWhitelist'
    'Set-WipePolicy'
    'Start-UsbGuard'
    'Start-UsbRedirProxy'
    'Stop-UsbGuard'
    'Stop-UsbRedirProxy'
    'Test-AuditLog'
    'Test-KeySlot'
    'Test-UsbDevice'
    'Test-WipeCertificate'
    'Unlock-Image'
    'Unprotect-VmDisk'
    'Unregister-LibvirtSecret'
  )
  VariablesToExport    = @()
  AliasesToExport      = @()
  PrivateData          = @{
    PSData = @{
      Tags         = @('LUKS', 'Encryption', 'qcow2', 'QEMU', 'KVM', 'libvirt', 'Disk', 'NBD', 'cryptsetup', 'USB', 'usbredir', 'PSEdition_Core', 'Linux', 'Windows', 'MacOS')
      ReleaseNotes = 'See CHANGELOG.md.'
    }
  }
}
