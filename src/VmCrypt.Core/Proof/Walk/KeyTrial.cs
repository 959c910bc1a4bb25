using VmCrypt.Core.Images;
using VmCrypt.Core.Proof.Content;

namespace VmCrypt.Core.Proof.Walk;

/// <summary>Decrypts blocks, encrypts them again, and looks whether the plain text has a structure.</summary>
internal sealed class KeyTrial(LayerKey key)
{
    private const int Sector = 512;

    private readonly BlockJudge _judge = new();
    private readonly byte[] _plain = GC.AllocateArray<byte>(BlockJudge.BlockSize, pinned: true);
    private readonly byte[] _again = new byte[BlockJudge.BlockSize];

    /// <summary>False where the plain text does not give the same ciphertext again. What it is like is counted in <paramref name="result"/>.</summary>
    public bool Agrees(HostArea area, ReadOnlySpan<byte> block, StepResult result)
    {
        int whole = block.Length & -key.SectorSize;
        if (key.SectorOf(area) is not { } sector || whole == 0)
        {
            return true;
        }

        block = block[..whole];
        Span<byte> plain = _plain.AsSpan(0, whole);
        Span<byte> again = _again.AsSpan(0, whole);
        key.Cipher.Decrypt(sector, block, plain);
        key.Cipher.Encrypt(sector, plain, again);

        // Sectors that were never written, or given back, are zeros in the file: they decrypt to noise that nobody meant.
        int absent = Blank(block, plain);
        BlockVerdict verdict = _judge.Judge(plain);
        bool structured = verdict.Flaw is not null || verdict.Zeros > absent;
        result.Decrypted += whole - absent;
        result.Structured += structured ? whole - absent : 0;
        plain.Clear();
        return again.SequenceEqual(block);
    }

    private static int Blank(ReadOnlySpan<byte> block, Span<byte> plain)
    {
        int absent = 0;
        for (int at = 0; at < block.Length; at += Sector)
        {
            if (!block.Slice(at, Sector).ContainsAnyExcept((byte)0))
            {
                plain.Slice(at, Sector).Clear();
                absent += Sector;
            }
        }

        return absent;
    }
}
