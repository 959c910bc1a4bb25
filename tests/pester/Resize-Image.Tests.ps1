BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
}

Describe 'Resize-Image' {
    It 'grows and shrinks <Name>' -ForEach @(
        @{ Name = 'a qcow2 disk'; Format = 'Qcow2'; Key = $true }
        @{ Name = 'a raw disk, without its key'; Format = 'Raw'; Key = $false }
    ) {
        $path = New-TestImage "resized.$Format" @{ Format = $Format }
        $secret = $Key ? @{ Passphrase = $first } : @{}
        (Resize-Image $path 10MB -PassThru @secret).VirtualSize | Should -Be 10MB
        { Resize-Image $path 2MB @secret -ErrorAction Stop } | Should -Throw -ErrorId 'ShrinkRefused,*.ResizeImageCommand'
        Resize-Image $path 2MB -AllowShrink @secret | Should -BeNullOrEmpty
        (Get-EncryptedImage $path).VirtualSize | Should -Be 2MB
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
    }

    It 'leaves a disk that QEMU checks and finds sound' -Skip:(-not $hasQemu) {
        $path = New-TestImage sound.qcow2
        Resize-Image $path 10MB -Passphrase $first
        qemu-img check @(Get-QemuSource $path)
        $LASTEXITCODE | Should -Be 0
    }

    It 'changes nothing under -WhatIf' {
        $path = New-TestImage whatif.qcow2
        Resize-Image $path 10MB -WhatIf
        (Get-EncryptedImage $path).VirtualSize | Should -Be 4MB
    }

    It 'refuses a size that is no whole number of sectors' {
        $path = New-TestImage odd.img @{ Format = 'Raw' }
        { Resize-Image $path 5000001 -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.ResizeImageCommand'
    }
}
