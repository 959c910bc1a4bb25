BeforeDiscovery { $hasTools = [bool](Get-Command qemu-img, cryptsetup -ErrorAction Ignore) -and $IsLinux }

# Disks as Cinder and Nova lay them, made by the tools that those call.
Describe 'Disks of OpenStack' -Skip:(-not $hasTools) {
    BeforeAll {
        . $PSScriptRoot/Setup.ps1
        # A key of the key manager; its third byte has a leading zero in hexadecimal.
        $key = [byte[]](0xA1, 0xB2, 0x0C, 0xFF) + [byte[]](1..28)
        $passphrase = ConvertTo-Secret ([System.Convert]::ToHexString($key).ToLowerInvariant())
        $hex = Join-Path $TestDrive key.hex
        Set-Content $hex ([System.Convert]::ToHexString($key).ToLowerInvariant()) -NoNewline
        Set-Content $TestDrive/content.raw ('an image of the cloud' * 100KB) -NoNewline
        qemu-img resize -q -f raw $TestDrive/content.raw 4M
        $sum = (Get-FileHash $TestDrive/content.raw).Hash
        $secret = '--object', "secret,id=key,file=$hex"
        $attached = "driver=luks,key-secret=key,file.filename={0}"
        $inside = "driver=qcow2,encrypt.key-secret=key,file.filename={0}"

        # qemu-img 7.2 now and then cannot measure its own time.
        function New-WithQemu {
            for ($try = 0; $try -lt 30; $try++) {
                $said = qemu-img @args 2>&1 | Out-String
                if (-not $LASTEXITCODE) { return }
                $said | Should -Match 'accurate CPU usage'
            }
        }

        function Get-Sum([string] $Options) {
            qemu-img convert @secret --image-opts $Options -O raw $TestDrive/read.raw
            (Get-FileHash $TestDrive/read.raw).Hash
        }

        function Get-OurSum([string] $Path) {
            $null = Unlock-Image $Path -Passphrase $passphrase -OutFile $TestDrive/ours.raw -Force
            (Get-FileHash $TestDrive/ours.raw).Hash
        }

        # An image that Cinder has written into an encrypted volume.
        $cinder = Join-Path $TestDrive cinder.raw
        New-WithQemu convert -f raw -O luks @secret -o 'key-secret=key,cipher-alg=aes-256,cipher-mode=xts,ivgen-alg=plain64,iter-time=10' $TestDrive/content.raw $cinder
        # A disk of an instance that Nova keeps encrypted.
        $nova = Join-Path $TestDrive nova.qcow2
        New-WithQemu convert -f raw -O qcow2 @secret -o 'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10' $TestDrive/content.raw $nova
    }

    It 'opens a volume of Cinder by the hexadecimal text of its key' {
        $image = Get-EncryptedImage $cinder
        $image.Encryption | Should -Be Attached
        Test-KeySlot $cinder -Passphrase $passphrase | Should -BeTrue
        Test-KeySlot $cinder -KeyFile $hex | Should -BeTrue
        Get-OurSum $cinder | Should -Be $sum
    }

    It 'opens a volume that os-brick has formatted, as <Type>' -ForEach @{ Type = 'luks1' }, @{ Type = 'luks2' } {
        $path = Join-Path $TestDrive "brick.$Type"
        qemu-img create -q -f raw $path 24M
        Get-Content $hex -Raw | & { $input | sh -c "tr -d '\n' | cryptsetup --batch-mode luksFormat --type $Type --key-file=- --cipher aes-xts-plain64 --key-size 256 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 '$path'" }
        $image = Get-EncryptedImage $path
        $image.KeySize | Should -Be 256
        Test-KeySlot $path -Passphrase $passphrase | Should -BeTrue
    }

    It 'opens a volume of the old os-brick, which left out leading zeros, and gives it the right passphrase' {
        $path = Join-Path $TestDrive mangled.raw
        $mangled = ConvertTo-Secret (-join ($key | ForEach-Object { '{0:x}' -f $_ }))
        $null = New-EncryptedImage $path -Format Raw -Size 4MB -Passphrase $mangled @cheap
        Test-KeySlot $path -Passphrase $passphrase | Should -BeFalse
        $null = Set-KeySlot $path -Passphrase $mangled -NewPassphrase $passphrase @cheap
        Test-KeySlot $path -Passphrase $passphrase | Should -BeTrue
    }

    It 'turns a volume of Cinder into a disk of Nova, and back' {
        $disk = Join-Path $TestDrive disk.qcow2
        $made = Convert-Image $cinder $disk -Passphrase $passphrase -NewPassphrase $passphrase -DestinationFormat Qcow2 @cheap
        $made.Encryption | Should -Be Inside
        Get-Sum ($inside -f $disk) | Should -Be $sum

        $volume = Join-Path $TestDrive volume.raw
        $made = Convert-Image $nova $volume -Passphrase $passphrase -NewPassphrase $passphrase -DestinationFormat Raw @cheap
        $made.Encryption | Should -Be Attached
        Get-Sum ($attached -f $volume) | Should -Be $sum
        sh -c "cryptsetup luksOpen --test-passphrase --key-file '$hex' '$volume'"
        $LASTEXITCODE | Should -Be 0
    }

    It 'turns both into an image that Glance gives to anybody, and takes one' {
        foreach ($path in $cinder, $nova) {
            $image = Join-Path $TestDrive glance.qcow2
            $null = Convert-Image $path $image -Passphrase $passphrase -Plain -Force
            qemu-img convert -f qcow2 -O raw $image $TestDrive/glance.raw
            (Get-FileHash $TestDrive/glance.raw).Hash | Should -Be $sum
        }

        $volume = Join-Path $TestDrive fromglance.raw
        $null = Convert-Image $TestDrive/glance.qcow2 $volume -Format Qcow2 -NewKeyFile $hex -DestinationFormat Raw @cheap
        Get-Sum ($attached -f $volume) | Should -Be $sum
    }

    It 'fills a block device or volume that is there already' {
        $volume = Join-Path $TestDrive present.raw
        qemu-img create -q -f raw $volume 6M
        $export = Start-Process -PassThru qemu-nbd -RedirectStandardOutput $TestDrive/nbd.log -ArgumentList '--format=raw', '--persistent', '--socket', "$TestDrive/present.sock", $volume
        try {
            for ($try = 0; $try -lt 200 -and -not (Test-Path "$TestDrive/present.sock"); $try++) { Start-Sleep -Milliseconds 50 }
            $null = Convert-Image $nova "nbd+unix:///?socket=$TestDrive/present.sock" -Passphrase $passphrase -NewPassphrase $passphrase -DestinationFormat Raw -Force @cheap
        }
        finally {
            Stop-Process $export
            $export.WaitForExit()
        }
        Get-Sum ($attached -f $volume) | Should -Be $sum
    }
}
