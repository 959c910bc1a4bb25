using System.Text;

namespace VmCrypt.Build;

/// <summary>The smallest thing that boots: a master boot record whose code prints a line on the first serial port.</summary>
internal static class BootSector
{
    public const string Message = "Hello from the encrypted disk";

    private const int SectorSize = 512;

    // 16-bit code, loaded by the BIOS at 7C00h.
    private static ReadOnlySpan<byte> Code =>
    [
        0x31, 0xC0,             // 00        xor ax, ax
        0x8E, 0xD8,             // 02        mov ds, ax
        0xBE, 0x22, 0x7C,       // 04        mov si, 7C22h     ; the text behind the code
        0xFC,                   // 07        cld
        0xAC,                   // 08 next:  lodsb
        0x84, 0xC0,             // 09        test al, al
        0x74, 0x11,             // 0B        jz done
        0x88, 0xC4,             // 0D        mov ah, al
        0xBA, 0xFD, 0x03,       // 0F        mov dx, 3FDh      ; line status of COM1
        0xEC,                   // 12 wait:  in al, dx
        0xA8, 0x20,             // 13        test al, 20h      ; transmitter empty?
        0x74, 0xFB,             // 15        jz wait
        0x88, 0xE0,             // 17        mov al, ah
        0xB2, 0xF8,             // 19        mov dl, F8h       ; data of COM1
        0xEE,                   // 1B        out dx, al
        0xEB, 0xEA,             // 1C        jmp next
        0xF4,                   // 1E done:  hlt
        0xEB, 0xFD,             // 1F        jmp done
        0x90,                   // 21        nop
    ];

    /// <summary>A disk of 1 MiB that starts with the boot record.</summary>
    public static byte[] Disk()
    {
        byte[] disk = new byte[1 << 20];
        Code.CopyTo(disk);
        Encoding.ASCII.GetBytes(Message + "\r\n\0").CopyTo(disk, Code.Length);
        disk[SectorSize - 2] = 0x55;
        disk[SectorSize - 1] = 0xAA;
        return disk;
    }
}
