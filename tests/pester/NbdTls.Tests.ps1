BeforeAll {
    . $PSScriptRoot/Setup.ps1

    # A folder of certificates as QEMU names them: of a new authority, or of the one whose folder is given.
    function New-TestCertificate([string] $Folder, [string] $Side, [string] $Name, [string] $Authority) {
        $null = New-Item -ItemType Directory $Folder
        if ($Authority) {
            Copy-Item "$Authority/ca-*.pem" $Folder
        } else {
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Pester authority' -keyout "$Folder/ca-key.pem" -out "$Folder/ca-cert.pem" 2>$null
        }
        Set-Content "$Folder/extensions" "basicConstraints=critical,CA:FALSE`nkeyUsage=critical,digitalSignature,keyEncipherment`nsubjectAltName=DNS:localhost"
        openssl req -newkey rsa:2048 -nodes -subj "/CN=$Name" -keyout "$Folder/$Side-key.pem" -out "$Folder/request.pem" 2>$null
        openssl x509 -req -in "$Folder/request.pem" -CA "$Folder/ca-cert.pem" -CAkey "$Folder/ca-key.pem" -CAcreateserial -days 2 -extfile "$Folder/extensions" -out "$Folder/$Side-cert.pem" 2>$null
        $Folder
    }
}

Describe 'Unlock-Image with TLS' -Skip:(-not (Get-Command openssl -ErrorAction Ignore)) {
    BeforeAll {
        $path = New-TestImage
        $server = New-TestCertificate $TestDrive/server server localhost
        $client = New-TestCertificate $TestDrive/client client client $server
        $stranger = New-TestCertificate $TestDrive/stranger client client
    }

    It 'serves clients with a certificate, and our own commands are such clients' {
        $export = Unlock-Image $path -Passphrase $first -Address localhost -Port 0 -TlsCredentials $server
        try {
            $export.Uri | Should -Match '^nbds://localhost:\d+/'
            $export.Tls | Should -Be 'Require'
            $uri = "$($export.Uri)?tls-certificates=$client&tls-hostname=localhost"
            (Get-EncryptedImage $uri -Format Raw).VirtualSize | Should -Be 4MB
            { Get-EncryptedImage ($export.Uri -replace '^nbds', 'nbd') -Format Raw -ErrorAction Stop } | Should -Throw -ErrorId 'NbdTlsRequired,*'
            { Get-EncryptedImage "$($export.Uri)?tls-certificates=$stranger" -Format Raw -ErrorAction Stop } | Should -Throw -ErrorId 'TlsCertificateUntrusted,*'
            { Get-EncryptedImage "$uri.example" -Format Raw -ErrorAction Stop } | Should -Throw -ErrorId 'TlsNameMismatch,*'
        } finally { $export | Lock-Image }
    }

    It 'lets clients in that have no certificate where that is asked for' {
        $export = Unlock-Image $path -Passphrase $first -Port 0 -TlsCredentials $server -NoVerifyPeer
        try {
            Remove-Item -Recurse $TestDrive/nobody -ErrorAction Ignore
            $null = New-Item -ItemType Directory $TestDrive/nobody
            Copy-Item $server/ca-cert.pem $TestDrive/nobody
            (Get-EncryptedImage "$($export.Uri)?tls-certificates=$TestDrive/nobody&tls-hostname=localhost" -Format Raw).VirtualSize | Should -Be 4MB
        } finally { $export | Lock-Image }
    }

    It 'serves others in clear only when told so' {
        { Unlock-Image $path -Passphrase $first -Address 0.0.0.0 -ErrorAction Stop } | Should -Throw -ErrorId 'NbdPlainRefused,*.UnlockImageCommand'
        (Get-EncryptedImage $path).InUse | Should -BeFalse
        $export = Unlock-Image $path -Passphrase $first -Address 0.0.0.0 -Tls Off -WarningVariable said -WarningAction SilentlyContinue
        $export | Lock-Image
        $said | Should -Match 'reads the plain disk'
    }

    It 'puts out a client that is taken off the list' {
        Set-Content $TestDrive/list.json '{"rules":[{"match":"CN=client","policy":"allow"}]}'
        $export = Unlock-Image $path -Passphrase $first -Port 0 -TlsCredentials $server -AuthorizationList $TestDrive/list.json
        try {
            $uri = "$($export.Uri)?tls-certificates=$client&tls-hostname=localhost"
            $stream = Unlock-Image $uri -Format Raw -AsStream -ReadOnly
            $stream.ReadByte() | Should -BeGreaterOrEqual 0
            Set-Content $TestDrive/list.json '{"policy":"deny"}'
            { Get-EncryptedImage $uri -Format Raw -ErrorAction Stop } | Should -Throw
            for ($i = 0; $i -lt 200 -and $export.Clients -gt 0; $i++) { Start-Sleep -Milliseconds 50 }
            $export.Clients | Should -Be 0
            { $stream.Position = 1MB; $stream.ReadByte() } | Should -Throw
            $stream.Dispose()
        } finally { $export | Lock-Image }
    }

    It 'lets in the identities that are named' {
        $export = Unlock-Image $path -Passphrase $first -Port 0 -TlsCredentials $server -AuthorizationIdentity 'CN=other', 'CN=client'
        try {
            (Get-EncryptedImage "$($export.Uri)?tls-certificates=$client&tls-hostname=localhost" -Format Raw).VirtualSize | Should -Be 4MB
        } finally { $export | Lock-Image }
    }

    It 'wants rules that can be kept' {
        Set-Content $TestDrive/bad.json '{"policy":"perhaps"}'
        $tls = @{ Port = 0; TlsCredentials = $server }
        { Unlock-Image $path -Passphrase $first @tls -AuthorizationList $TestDrive/bad.json -ErrorAction Stop } | Should -Throw -ErrorId 'AuthorizationListInvalid,*.UnlockImageCommand'
        { Unlock-Image $path -Passphrase $first @tls -AuthorizationList $TestDrive/bad.json -AuthorizationIdentity a -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
        { Unlock-Image $path -Passphrase $first @tls -NoVerifyPeer -AuthorizationIdentity a -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
        { Unlock-Image $path -Passphrase $first -Port 0 -AuthorizationIdentity a -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
        { Unlock-Image $path -Passphrase $first @tls -AuthorizationPamService ../x -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
        (Get-EncryptedImage $path).InUse | Should -BeFalse
    }

    It 'knows clients by a key that they share' {
        Set-Content $TestDrive/keys.psk "alice:$('1f' * 32)"
        Set-Content $TestDrive/wrong.psk "alice:$('2f' * 32)"
        $export = Unlock-Image $path -Passphrase $first -Port 0 -TlsPskFile $TestDrive/keys.psk -AuthorizationIdentity alice
        try {
            $uri = $export.Uri -replace '^nbds://', 'nbds://alice@'
            (Get-EncryptedImage "${uri}?tls-psk-file=$TestDrive/keys.psk" -Format Raw).VirtualSize | Should -Be 4MB
            { Get-EncryptedImage "${uri}?tls-psk-file=$TestDrive/wrong.psk" -Format Raw -ErrorAction Stop } | Should -Throw -ErrorId 'TlsHandshakeFailed,*'
        } finally { $export | Lock-Image }
        { Unlock-Image $path -Passphrase $first -Port 0 -TlsPskFile $TestDrive/keys.psk -TlsCredentials $server -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
    }

    It 'wants credentials that hold together' {
        { Unlock-Image $path -Passphrase $first -Tls Require -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.UnlockImageCommand'
        { Unlock-Image $path -Passphrase $first -TlsCredentials $client -ErrorAction Stop } | Should -Throw -ErrorId 'TlsCredentialsInvalid,*.UnlockImageCommand'
        (Get-EncryptedImage $path).InUse | Should -BeFalse
    }
}
