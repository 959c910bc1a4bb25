using System.Runtime.InteropServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Decompression by the system's own zstd library, found at its first use.</summary>
internal static unsafe class Zstd
{
    private static readonly Lazy<Functions?> s_functions = new(Load);

    public static bool IsPresent => s_functions.Value is not null;

    /// <summary>Fills <paramref name="target"/> from a stream that may be followed by other bytes; false if it does not give as much.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.ZstdMissing"/>.</exception>
    public static bool TryUnpack(ReadOnlySpan<byte> packed, Span<byte> target)
    {
        Functions zstd = s_functions.Value ?? throw new UnsupportedFeatureException(ErrorIds.ZstdMissing,
            "The image has clusters compressed with zstd, but this system has no zstd library; install libzstd.");
        nint context = zstd.CreateContext();
        try
        {
            fixed (byte* source = packed, destination = target)
            {
                var input = new Piece { Start = source, Size = (nuint)packed.Length };
                var output = new Piece { Start = destination, Size = (nuint)target.Length };
                while (output.Position < output.Size)
                {
                    (nuint read, nuint written) = (input.Position, output.Position);
                    nuint result = zstd.Decompress(context, &output, &input);
                    if (zstd.IsError(result) != 0 || (read == input.Position && written == output.Position))
                    {
                        return false;
                    }
                }

                return true;
            }
        }
        finally
        {
            zstd.FreeContext(context);
        }
    }

    private static Functions? Load()
    {
        string[] names = OperatingSystem.IsWindows() ? ["libzstd.dll", "zstd.dll"]
            : OperatingSystem.IsMacOS() ? ["libzstd.1.dylib", "libzstd.dylib"]
            : ["libzstd.so.1"];
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, typeof(Zstd).Assembly, searchPath: null, out nint library))
            {
                return new Functions(library);
            }
        }

        return null;
    }

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer have the same shape.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Piece
    {
        public byte* Start;
        public nuint Size;
        public nuint Position;
    }

    private sealed class Functions(nint library)
    {
        public readonly delegate* unmanaged<nint> CreateContext =
            (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDCtx");

        public readonly delegate* unmanaged<nint, nuint> FreeContext =
            (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDCtx");

        public readonly delegate* unmanaged<nint, Piece*, Piece*, nuint> Decompress =
            (delegate* unmanaged<nint, Piece*, Piece*, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressStream");

        public readonly delegate* unmanaged<nuint, uint> IsError =
            (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError");
    }
}
