using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Proof;

/// <summary>Disks of every kind in files, and their proofs.</summary>
internal sealed class ProofLab : IDisposable
{
    public const int Size = 3 << 20;

    private readonly Scratch _scratch = new();

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static LuksFormatOptions Luks => LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) };

    public string this[string name] => _scratch[name];

    public async Task<string> CreateAsync(string name, NewDisk plan, string? header = null)
    {
        using SecretBuffer? passphrase = plan.Encryption is null ? null : Passphrase();
        var target = new DiskTarget { Location = Location(name), HeaderPath = header is null ? null : _scratch[header] };
        await DiskFile.CreateAsync(target, plan, passphrase, fill: null, Token);
        return _scratch[name];
    }

    /// <summary>Writes as the guest does.</summary>
    public async Task WriteAsync(string name, long offset, byte[] content, DiskOpenOptions? opening = null)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(Location(name), (opening ?? DiskOpenOptions.Default) with { Writable = true }, Token);
        using var keys = new DiskKeys(Passphrase());
        IBlockDevice plain = await disk.UnlockAsync(keys, Token);
        await plain.WriteAsync(offset, content, Token);
        await plain.FlushAsync(Token);
    }

    /// <summary>Changes the file behind everybody's back.</summary>
    public void Patch(string name, long offset, ReadOnlySpan<byte> bytes)
    {
        using FileStream file = File.OpenWrite(_scratch[name]);
        file.Position = offset;
        file.Write(bytes);
    }

    public async Task<ImageProof> ProveAsync(string name, bool key = false, ProofOptions? options = null, DiskOpenOptions? opening = null, string passphrase = "correct horse")
    {
        using DiskKeys? keys = key ? new DiskKeys(SecretBuffer.CopyOf(System.Text.Encoding.UTF8.GetBytes(passphrase))) : null;
        return await EncryptionProof.RunAsync(Location(name), opening ?? DiskOpenOptions.Default, keys, options ?? new ProofOptions(), new Progress<JobProgress>(), Token);
    }

    public DiskLocation Location(string name) => DiskLocation.Parse(_scratch[name]);

    public void Dispose() => _scratch.Dispose();

    private static SecretBuffer Passphrase() => SecretBuffer.CopyOf("correct horse"u8);
}
