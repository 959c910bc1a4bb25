BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
    $hasCryptsetup = [bool](Get-Command cryptsetup -ErrorAction Ignore)
    $hasNbdcopy = [bool](Get-Command nbdcopy -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1

    function New-PlainDisk([string] $Name, [long] $Size = 3MB) {
        $path = Join-Path $TestDrive $Name
        $bytes = [byte[]]::new($Size)
        [System.Random]::new(7).NextBytes($bytes)
        [System.IO.File]::WriteAllBytes($path, $bytes)
        $path
    }

    function New-PlainContainer([string] $Name, [string] $Format, [string] $Preallocation = 'Off') {
        $path = Join-Path $TestDrive $Name
        $null = Convert-Image (New-PlainDisk "$Name.raw") $path -DestinationFormat $Format -Preallocation $Preallocation -Plain
        $path
    }

    function Get-PlainHash([string] $Path, [hashtable] $With = @{}) {
        $copy = Join-Path $TestDrive 'copy.raw'
        $null = Convert-Image $Path $copy -DestinationFormat Raw -Plain -Passphrase $first -Force @With
        (Get-FileHash $copy).Hash
    }
}

Describe 'Protect-Image, Update-ImageKey, Unprotect-Image' {
    It 'encrypts, re-encrypts and decrypts a disk with <Version>, and the guest finds its bytes each time' -ForEach @(
        @{ Version = 'Luks1' }
        @{ Version = 'Luks2' }
    ) {
        $path = New-PlainDisk "whole-$Version.raw"
        $hash = (Get-FileHash $path).Hash

        $protected = Protect-Image $path -LuksVersion $Version -Passphrase $first -Force @cheap -WarningAction SilentlyContinue
        $protected.IsEncrypted | Should -BeTrue
        $protected.Luks.Version | Should -Be $Version
        $protected.VirtualSize | Should -Be 3MB
        Get-PlainHash $path | Should -Be $hash

        $updated = Update-ImageKey $path -Passphrase $first -Cipher aes-cbc-essiv:sha256 -KeySize 256 -Force @cheap
        $updated.Cipher | Should -Be 'aes-cbc-essiv:sha256'
        $updated.Luks.Version | Should -Be $Version
        Get-PlainHash $path | Should -Be $hash

        (Unprotect-Image $path -Passphrase $first -Force).IsEncrypted | Should -BeFalse
        (Get-FileHash $path).Hash | Should -Be $hash
        Get-ChildItem $TestDrive "whole-$Version*" | Should -HaveCount 1
    }

    It 'keeps the header in a file of its own' {
        $path = New-PlainDisk detached.raw
        $header = Join-Path $TestDrive detached.luks
        $hash = (Get-FileHash $path).Hash

        $protected = Protect-Image $path -DetachedHeader $header -LuksVersion Luks2 -Passphrase $first -Force @cheap -WarningAction SilentlyContinue
        $protected.Encryption | Should -Be 'Detached'
        (Get-Item $path).Length | Should -Be 3MB
        Get-PlainHash $path @{ DetachedHeader = $header; Format = 'Raw' } | Should -Be $hash

        $null = Unprotect-Image $path -DetachedHeader $header -Passphrase $first -Force
        (Get-FileHash $path).Hash | Should -Be $hash
    }

    It 'changes the passphrase with the key' {
        $path = New-TestImage rekeyed.img @{ Format = 'Raw'; LuksVersion = 'Luks2' }
        $null = Update-ImageKey $path -Passphrase $first -NewPassphrase $second -Force @cheap
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
    }

    It 'does not lose key slots unasked' {
        $path = New-TestImage slots.img @{ Format = 'Raw'; LuksVersion = 'Luks2' }
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        { Update-ImageKey $path -Passphrase $first -Force @cheap -ErrorAction Stop } | Should -Throw -ErrorId 'KeySlotsWouldBeLost,*.UpdateImageKeyCommand'
        $null = Update-ImageKey $path -Passphrase $first -DropOtherSlots -Force @cheap
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
    }

    It 'makes a disk that QEMU opens' -Skip:(-not $hasQemu) {
        $path = New-PlainDisk qemu.raw
        $hash = (Get-FileHash $path).Hash
        $null = Protect-Image $path -Passphrase $first -Force @cheap
        $copy = Join-Path $TestDrive qemu-copy.raw
        qemu-img convert -O raw @(Get-QemuSource $path) $copy
        (Get-FileHash $copy).Hash | Should -Be $hash
    }

    It 'encrypts, re-encrypts and decrypts qcow2, and QEMU finds the same bytes and clean tables each time' -Skip:(-not $hasQemu) {
        $raw = New-PlainDisk inside.raw
        $hash = (Get-FileHash $raw).Hash
        $path = Join-Path $TestDrive inside.qcow2
        qemu-img convert -O qcow2 $raw $path

        $protected = Protect-Image $path -Passphrase $first -Force @cheap
        $protected.Format | Should -Be 'Qcow2'
        $protected.Encryption | Should -Be 'Inside'
        Get-PlainHash $path | Should -Be $hash
        qemu-img check -q @(Get-QemuSource $path)
        $LASTEXITCODE | Should -Be 0

        $null = Update-ImageKey $path -Passphrase $first -NewPassphrase $second -Resilience Journal -Force @cheap
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
        (Unprotect-Image $path -Passphrase $second -Force).IsEncrypted | Should -BeFalse
        qemu-img check -q $path
        $LASTEXITCODE | Should -Be 0
        $copy = Join-Path $TestDrive inside-copy.raw
        qemu-img convert -O raw $path $copy
        (Get-FileHash $copy).Hash | Should -Be $hash
    }

    It 'encrypts, re-encrypts and decrypts <Kind>, and the guest finds its bytes each time' -ForEach @(
        @{ Kind = 'a VHDX'; Format = 'Vhdx'; Preallocation = 'Off'; Named = @{} }
        @{ Kind = 'a dynamic VHD'; Format = 'Vhd'; Preallocation = 'Off'; Named = @{} }
        @{ Kind = 'a fixed VHD, whose format is named'; Format = 'Vhd'; Preallocation = 'Full'; Named = @{ Format = 'Vhd' } }
    ) {
        $path = New-PlainContainer "whole-$Format-$Preallocation" $Format $Preallocation
        $hash = (Get-FileHash "$path.raw").Hash

        $protected = Protect-Image $path -LuksVersion Luks2 -Passphrase $first -WipeFreed -Force @Named @cheap -WarningAction SilentlyContinue
        $protected.Format | Should -Be $Format
        $protected.Encryption | Should -Be 'Over'
        $protected.VirtualSize | Should -Be 3MB
        Get-PlainHash $path $Named | Should -Be $hash

        $updated = Update-ImageKey $path -Passphrase $first -Cipher aes-cbc-essiv:sha256 -KeySize 256 -Force @Named @cheap
        $updated.Cipher | Should -Be 'aes-cbc-essiv:sha256'
        $updated.Format | Should -Be $Format
        Get-PlainHash $path $Named | Should -Be $hash

        $plain = Unprotect-Image $path -Passphrase $first -Force @Named
        $plain.IsEncrypted | Should -BeFalse
        $plain.Format | Should -Be $Format
        $plain.VirtualSize | Should -Be 3MB
        Get-PlainHash $path $Named | Should -Be $hash
        Get-ChildItem $TestDrive "whole-$Format-$Preallocation.vmcrypt*" | Should -BeNullOrEmpty
    }

    It 'makes a <Format> that QEMU opens' -Skip:(-not $hasQemu) -ForEach @(
        @{ Format = 'Vhdx'; Driver = 'vhdx' }
        @{ Format = 'Vhd'; Driver = 'vpc' }
    ) {
        $path = New-PlainContainer "qemu.$Driver" $Format
        $null = Protect-Image $path -Passphrase $first -Force @cheap
        $copy = Join-Path $TestDrive "qemu-$Driver.raw"
        $secret = Join-Path $TestDrive "qemu-$Driver.secret"
        Set-Content $secret first -NoNewline
        qemu-img convert --object "secret,id=key,file=$secret" --image-opts "driver=luks,key-secret=key,file.driver=$Driver,file.file.driver=file,file.file.filename=$path" -O raw $copy
        (Get-FileHash $copy).Hash | Should -Be (Get-FileHash "$path.raw").Hash
    }

    It 'keeps the header of a VHDX in a file of its own' {
        $path = New-PlainContainer detached.vhdx Vhdx
        $header = Join-Path $TestDrive detached.vhdx.luks
        $hash = (Get-FileHash "$path.raw").Hash

        $protected = Protect-Image $path -DetachedHeader $header -LuksVersion Luks2 -Passphrase $first -Force @cheap -WarningAction SilentlyContinue
        $protected.Encryption | Should -Be 'Detached'
        $protected.Format | Should -Be 'Vhdx'
        Get-PlainHash $path @{ DetachedHeader = $header } | Should -Be $hash

        (Unprotect-Image $path -DetachedHeader $header -Passphrase $first -Force).Format | Should -Be 'Vhdx'
        Get-PlainHash $path | Should -Be $hash
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a disk that is encrypted'; Make = { New-TestImage again.img @{ Format = 'Raw' } }; Id = 'AlreadyEncrypted' }
        @{ What = 'an encrypted qcow2 image'; Make = { New-TestImage some.qcow2 }; Id = 'AlreadyEncrypted' }
        @{ What = 'a fixed VHD, which only its end tells from a raw disk'; Make = { New-PlainContainer fixed.vhd Vhd Full }; Id = 'InPlaceUnsupported' }
        @{ What = 'a differencing disk'; Make = {
                $child = Join-Path $TestDrive child.vhdx
                $null = New-EncryptedImage $child -Format Vhdx -BackingFile (New-TestImage parent.vhdx @{ Format = 'Vhdx' })
                $child
            }; Id = 'InPlaceUnsupported' }
        @{ What = 'an image that ends within a sector'; Make = { New-PlainDisk odd.raw 1000 }; Id = 'InvalidParameter' }
    ) {
        $path = & $Make
        { Protect-Image $path -Passphrase $first -Force @cheap -ErrorAction Stop } | Should -Throw -ErrorId "$Id,*.ProtectImageCommand"
    }

    It 'changes nothing under -WhatIf, not even with -Force' {
        $path = New-PlainDisk whatif.raw
        $hash = (Get-FileHash $path).Hash
        Protect-Image $path -Passphrase $first -Force -WhatIf @cheap
        (Get-FileHash $path).Hash | Should -Be $hash
    }
}

Describe '-Chain' {
    BeforeEach {
        # A raw base, and two overlays.
        $folder = (New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid()))).FullName
        $base = Join-Path $folder base.raw
        Move-Item (New-PlainDisk source.raw) $base
        $middle = Join-Path $folder middle.qcow2
        $top = Join-Path $folder top.qcow2
        qemu-img create -q -f qcow2 -b base.raw -F raw $middle
        qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 $top
        qemu-io -f qcow2 -c 'write -P 0x31 1M 200k' $top | Out-Null
        $hash = Get-PlainHash $top
    }

    It 'encrypts every layer, gives each another key and passphrase, and decrypts them' -Skip:(-not $hasQemu) {
        $raw = $base
        $base = Join-Path $folder base.qcow2
        qemu-img convert -O qcow2 $raw $base
        Remove-Item $raw
        qemu-img rebase -u -b base.qcow2 -F qcow2 $middle

        $protected = Protect-Image $top -Chain -Passphrase $first -Force @cheap
        $protected.IsEncrypted, $protected.Backing.IsEncrypted, $protected.Backing.Backing.IsEncrypted | Should -Be $true, $true, $true
        Get-PlainHash $top | Should -Be $hash

        $null = Update-ImageKey $top -Chain -Passphrase $first -NewPassphrase $second -Force @cheap
        Test-KeySlot $base -Passphrase $first | Should -BeFalse
        Test-KeySlot $base -Passphrase $second | Should -BeTrue

        $plain = Unprotect-Image $top -Chain -Passphrase $first -LayerPassphrase @{ 'base.qcow2' = $second; 'middle.qcow2' = $second; 'top.qcow2' = $second } -Force
        $plain.IsEncrypted, $plain.Backing.IsEncrypted, $plain.Backing.Backing.IsEncrypted | Should -Be $false, $false, $false
        Get-PlainHash $top | Should -Be $hash
        Get-ChildItem $folder | Should -HaveCount 3
    }

    It 'refuses a layer on which another image is built, unless forced' -Skip:(-not $hasQemu) {
        qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 (Join-Path $folder other.qcow2)
        { Protect-Image $top -Chain -Passphrase $first -Confirm:$false @cheap -ErrorAction Stop } | Should -Throw -ErrorId 'LayerHasOtherUsers,*.ProtectImageCommand'
        (Get-EncryptedImage $base).IsEncrypted | Should -BeFalse
        (Protect-Image $top -Chain -Passphrase $first -Force @cheap).IsEncrypted | Should -BeTrue
    }

    It 'refuses <Which> alone, unless forced' -Skip:(-not $hasQemu) -ForEach @(
        @{ Which = 'a raw base'; Name = 'base' }
        @{ Which = 'a layer'; Name = 'middle' }
    ) {
        $path = Get-Variable $Name -ValueOnly
        $before = (Get-FileHash $path).Hash
        { Protect-Image $path -Passphrase $first -Confirm:$false @cheap -ErrorAction Stop } | Should -Throw -ErrorId 'LayerHasOtherUsers,*.ProtectImageCommand'
        (Get-FileHash $path).Hash | Should -Be $before
        (Protect-Image $path -Passphrase $first -Force @cheap).IsEncrypted | Should -BeTrue
        { Unprotect-Image $path -Passphrase $first -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'LayerHasOtherUsers,*.UnprotectImageCommand'
    }

    It 'follows layers into a folder that is named' -Skip:(-not $hasQemu) {
        $other = (New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid()))).FullName
        $far = Join-Path $other far.qcow2
        qemu-img create -q -f qcow2 -b $top -F qcow2 $far
        { Protect-Image $far -Chain -Passphrase $first -Force @cheap -ErrorAction Stop } | Should -Throw -ErrorId 'PathFenced,*.ProtectImageCommand'
        $protected = Protect-Image $far -Chain -AllowedFolder $folder -Passphrase $first -Force @cheap
        $protected.Backing.Backing.Backing.IsEncrypted | Should -BeTrue
        $protected.Backing.Backing.Qcow2.Backing.Format | Should -Be 'luks'
        Get-PlainHash $far @{ AllowedFolder = $folder } | Should -Be $hash
    }

    It 'says that nothing of the chain is unfinished' -Skip:(-not $hasQemu) {
        { Resume-ImageUpdate $top -Chain -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'Luks2NotReencrypting,*.ResumeImageUpdateCommand'
    }
}

Describe 'Resume-ImageUpdate' {
    It 'says that nothing is unfinished' {
        $path = New-TestImage done.img @{ Format = 'Raw'; LuksVersion = 'Luks2' }
        { Resume-ImageUpdate $path -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'Luks2NotReencrypting,*.ResumeImageUpdateCommand'
    }

    It 'goes on with what cryptsetup began, and until then the disk is shown and refused' -Skip:(-not $hasCryptsetup) {
        $path = New-PlainDisk begun.raw 64MB
        $hash = (Get-FileHash $path).Hash
        $key = Join-Path $TestDrive key
        Set-Content $key first -NoNewline
        $header = Join-Path $TestDrive begun.luks
        cryptsetup reencrypt --encrypt --type luks2 -q --init-only --key-file $key --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --header $header $path
        $LASTEXITCODE | Should -Be 0

        $shown = Get-EncryptedImage $path -DetachedHeader $header
        $shown.Conversion.Mode | Should -Be 'Encrypt'
        $shown.Conversion.Percent | Should -Be 0
        $shown.Unusable.ErrorId | Should -Be 'Luks2ReencryptionUnfinished'

        $null = Resume-ImageUpdate $path -DetachedHeader $header -Passphrase $first
        Get-PlainHash $path @{ DetachedHeader = $header; Format = 'Raw' } | Should -Be $hash
    }
}

Describe 'Conversions with -Serve' {
    It 'serves a disk while it is encrypted, and on, until it is locked' -Skip:(-not $hasNbdcopy) {
        $path = New-PlainDisk served.raw 48MB
        $hash = (Get-FileHash $path).Hash
        $export = Protect-Image $path -LuksVersion Luks2 -Passphrase $first -Force @cheap -Serve -WarningAction SilentlyContinue
        try {
            $export.Uri | Should -Match '^nbd\+unix:'
            $export.Size | Should -Be 48MB
            nbdcopy $export.Uri $TestDrive/seen.raw
            (Get-FileHash $TestDrive/seen.raw).Hash | Should -Be $hash
            { Unlock-Image $path -Passphrase $first -ErrorAction Stop } | Should -Throw
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
            $export.Conversion.State | Should -Be 'Completed'
            $export.Conversion.Percent | Should -Be 100
            $export.IsRunning | Should -BeTrue
        } finally { $export | Lock-Image }
        $export.IsRunning | Should -BeFalse
        Get-PlainHash $path | Should -Be $hash
    }

    It 'gives each command its own way' -Skip:(-not $hasNbdcopy) {
        $path = New-PlainDisk ways.raw
        $hash = (Get-FileHash $path).Hash
        $null = Protect-Image $path -LuksVersion Luks2 -Passphrase $first -Force @cheap -WarningAction SilentlyContinue
        $export = Update-ImageKey $path -Passphrase $first -NewPassphrase $second -Cipher aes-cbc-essiv:sha256 -KeySize 256 -Force @cheap -Serve -Port 0
        try {
            $export.Uri | Should -Match '^nbd://127\.0\.0\.1:'
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
        } finally { Lock-Image $path }
        (Get-EncryptedImage $path).Cipher | Should -Be 'aes-cbc-essiv:sha256'

        $export = Unprotect-Image $path -Passphrase $second -Force -Serve
        try {
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
            nbdcopy $export.Uri $TestDrive/plain.raw
        } finally { $export | Lock-Image }
        (Get-FileHash $TestDrive/plain.raw).Hash | Should -Be $hash
        (Get-FileHash $path).Hash | Should -Be $hash
    }

    It 'serves the disk in <What> while it is encrypted and decrypted, its tables and all' -Skip:(-not ($hasNbdcopy -and $hasQemu)) -ForEach @(
        @{ What = 'a VHDX file'; Format = 'Vhdx'; Driver = 'vhdx' }
        @{ What = 'a VHD file'; Format = 'Vhd'; Driver = 'vpc' }
    ) {
        $path = New-PlainContainer "served.$Format" $Format
        $hash = (Get-FileHash "$path.raw").Hash
        $plain = Join-Path $TestDrive "$Format.seen.raw"
        $size = (Get-EncryptedImage $path).VirtualSize
        $export = Protect-Image $path -LuksVersion Luks2 -WipeFreed -Passphrase $first -Force @cheap -Serve -WarningAction SilentlyContinue
        try {
            $export.Size | Should -Be $size
            nbdcopy "$path.raw" $export.Uri
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
            $export.Conversion.State | Should -Be 'Completed'
        } finally { $export | Lock-Image }
        (Get-EncryptedImage $path).IsEncrypted | Should -BeTrue

        $export = Unprotect-Image $path -Passphrase $first -Force -Serve
        try {
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
            nbdcopy $export.Uri $plain
        } finally { $export | Lock-Image }
        $seen = [System.IO.File]::Open($plain, 'Open')
        try { $seen.SetLength(3MB) } finally { $seen.Dispose() }
        (Get-FileHash $plain).Hash | Should -Be $hash
        & qemu-img compare -f raw -F $Driver $plain $path | Out-Null
        $LASTEXITCODE | Should -Be 0
    }

    It 'serves a qcow2 image, too' -Skip:(-not $hasNbdcopy) {
        $raw = New-PlainDisk served2.raw
        $hash = (Get-FileHash $raw).Hash
        $path = "$TestDrive/served2.qcow2"
        $null = Convert-Image $raw $path -DestinationFormat Qcow2 -Plain
        $export = Protect-Image $path -Passphrase $first -Force @cheap -Serve -WarningAction SilentlyContinue
        try {
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
            $export.Conversion.State | Should -Be 'Completed'
            nbdcopy $export.Uri $TestDrive/seen2.raw
        } finally { $export | Lock-Image }
        (Get-FileHash $TestDrive/seen2.raw).Hash | Should -Be $hash
        Get-PlainHash $path | Should -Be $hash
    }

    It 'stops when it is locked, and Resume-ImageUpdate -Serve goes on' {
        $path = New-PlainDisk stopped.raw 120MB
        $hash = (Get-FileHash $path).Hash
        $export = Protect-Image $path -LuksVersion Luks2 -Passphrase $first -Force @cheap -Serve -WarningAction SilentlyContinue
        $export | Lock-Image -WarningVariable warned -WarningAction SilentlyContinue
        $export.Conversion.State | Should -Be 'Stopped'
        "$warned" | Should -Match 'Resume-ImageUpdate'

        $export = Resume-ImageUpdate $path -Passphrase $first -Serve
        try {
            while ($export.Conversion.State -eq 'Running') { Start-Sleep -Milliseconds 50 }
            $export.Conversion.State | Should -Be 'Completed'
        } finally { $export | Lock-Image }
        Get-PlainHash $path | Should -Be $hash
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'a qcow2 image that is to be wiped'; Name = 'no.qcow2'; With = @{ Serve = $true; WipeFreed = $true }; Id = 'LiveConversionUnsupported' }
        @{ What = 'holes that are left'; Name = 'holes.raw'; With = @{ Serve = $true; LeaveHoles = $true }; Id = 'InvalidParameter' }
        @{ What = 'an address without -Serve'; Name = 'alone.raw'; With = @{ Port = 0 }; Id = 'InvalidParameter' }
    ) {
        $path = New-PlainDisk $Name
        if ($Name -notlike '*.raw') {
            $null = Convert-Image $path "$path.new" -DestinationFormat ([System.IO.Path]::GetExtension($Name).Substring(1)) -Plain
            Move-Item "$path.new" $path -Force
        }
        $hash = (Get-FileHash $path).Hash
        { Protect-Image $path -Passphrase $first -Force @cheap @With -ErrorAction Stop } | Should -Throw -ErrorId "$Id,*.ProtectImageCommand"
        (Get-FileHash $path).Hash | Should -Be $hash
    }
}
