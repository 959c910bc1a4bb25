# Dot-sourced by the suites on VMs: a libvirt daemon, domains in it, and a small Linux guest for them.
. $PSScriptRoot/Setup.ps1

$connectUri = 'qemu:///system'
$noSecret = '7c8d2a54-2f0e-4b61-9d3e-000000000000'

function Invoke-Virsh {
    $output = virsh -q -c $connectUri @args 2>&1
    if ($LASTEXITCODE) { throw "virsh ${args}: $output" }
    $output | Out-String
}

# True where a daemon answers, or could be started; it goes on for the next suite, as the host's own would.
function Test-Libvirt {
    if (-not (Get-Command virsh, qemu-system-x86_64 -ErrorAction SilentlyContinue)) { return $false }
    foreach ($daemon in 'virtlogd', 'libvirtd') {
        virsh -q -c $connectUri version *> $null
        if ($LASTEXITCODE -and (Get-Command $daemon -ErrorAction SilentlyContinue)) { & $daemon --daemon *> $null }
    }
    for ($try = 0; $try -lt 50; $try++) {
        virsh -q -c $connectUri version *> $null
        if (-not $LASTEXITCODE) { return $true }
        Start-Sleep -Milliseconds 100
    }
    $false
}

# Defines a domain with the given disks and returns its name. With a script it boots a Linux that runs it; its console is NAME.log.
function New-TestDomain([string[]] $Disk, [string] $Script) {
    $name = "vmcrypt-$((New-Guid).ToString('N').Substring(0, 12))"
    $boot = ''
    if ($Script) {
        $initrd = New-GuestInitrd $name $Script
        $kernel = (Get-ChildItem /boot/vmlinuz-*-amd64 | Select-Object -Last 1).FullName
        $boot = "<kernel>$kernel</kernel><initrd>$initrd</initrd><cmdline>console=ttyS0 quiet panic=-1</cmdline>"
    }
    Set-Content $TestDrive/$name.xml @"
<domain type='qemu'>
  <name>$name</name>
  <memory unit='MiB'>256</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type>$boot</os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <on_poweroff>destroy</on_poweroff>
  <seclabel type='none'/>
  <devices>
    $($Disk -join "`n")
    <serial type='file'><source path='$TestDrive/$name.log'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
"@
    $null = Invoke-Virsh define $TestDrive/$name.xml
    $script:domains += @($name)
    $name
}

function New-GuestInitrd([string] $Name, [string] $Script) {
    $root = Join-Path $TestDrive "$Name.root"
    $null = New-Item -ItemType Directory $root/bin, $root/modules -Force
    Copy-Item /bin/busybox $root/bin/busybox
    $version = (Get-ChildItem /boot/vmlinuz-*-amd64 | Select-Object -Last 1).Name -replace '^vmlinuz-'
    $modules = 'virtio_pci', 'virtio_blk', 'acpiphp' | ForEach-Object { modprobe -S $version --show-depends $_ 2>$null } |
        Where-Object { $_ -match '^insmod (\S+)' } | ForEach-Object { $Matches[1] } | Select-Object -Unique
    $modules | ForEach-Object { Copy-Item $_ $root/modules/ }
    @"
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /mnt
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
$(($modules | ForEach-Object { "insmod /modules/$(Split-Path -Leaf $_)" }) -join "`n")
echo 0 > /proc/sys/kernel/printk
$Script
poweroff -f
"@ -replace "`r" | Set-Content $root/init -NoNewline
    chmod +x $root/init
    $null = sh -c "cd '$root' && find . | cpio -o -H newc > '$root.cpio' 2>/dev/null"
    "$root.cpio"
}

# Waits until the guest's console shows a text, and returns all of it.
function Wait-Console([string] $Name, [string] $Text, [int] $Seconds = 60) {
    for ($try = 0; $try -lt $Seconds * 10; $try++) {
        $log = (Test-Path $TestDrive/$Name.log) ? (Get-Content -Raw $TestDrive/$Name.log) : ''
        if ($log -match $Text) { return $log }
        Start-Sleep -Milliseconds 100
    }
    throw "The guest $Name did not print '$Text': $log"
}

# Takes away what the suite has left in libvirt.
function Clear-Libvirt {
    foreach ($name in $script:domains) {
        virsh -q -c $connectUri destroy $name *> $null
        virsh -q -c $connectUri undefine $name *> $null
    }
    Get-LibvirtSecret -Name "$TestDrive*" | Unregister-LibvirtSecret -Force
    $script:domains = @()
}
$script:domains = @()
