BeforeAll { . $PSScriptRoot/Setup.ps1 }

Describe 'Protect-QemuSecret and Unprotect-QemuSecret' {
    It 'wrap a key file under a master secret, and give it back' {
        [System.IO.File]::WriteAllBytes("$TestDrive/master.key", [byte[]](1..32))
        Set-Content $TestDrive/disk.key 'a secret of the disk' -NoNewline
        $wrapped = Protect-QemuSecret -KeyFile $TestDrive/disk.key -MasterKeyFile $TestDrive/master.key
        [System.Convert]::FromBase64String($wrapped.InitialVector) | Should -HaveCount 16
        $file = $wrapped | Unprotect-QemuSecret -MasterKeyFile $TestDrive/master.key -OutFile $TestDrive/again.key
        Get-Content $file -Raw | Should -BeExactly 'a secret of the disk'
        { $wrapped | Unprotect-QemuSecret -MasterKeyFile $TestDrive/master.key -OutFile $TestDrive/again.key -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileExists*'
    }
}
