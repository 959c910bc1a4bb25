using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>Secrets as they lie in records.</summary>
public sealed class WrappedSecretTests
{
    [Fact]
    public void A_wrapped_secret_is_read_in_the_place_of_its_role_only()
    {
        using StoreKey key = StoreSample.Key();
        DiskKeyEntry entry = StoreSample.Entry(key, 1);
        using SecretBuffer secret = Sample.Secret("new");
        WrappedSecret pending = key.Wrap(entry.Id, entry.Disk, SecretRole.Pending, slot: null, secret);

        Assert.Equal(SecretRole.Current, WrappedSecret.Parse(entry.Current.ToBytes(), SecretRole.Current).Role);
        Assert.Equal(SecretRole.Pending, WrappedSecret.Parse(pending.ToBytes(), SecretRole.Pending).Role);
        Assert.All(new Action[] { () => WrappedSecret.Parse(pending.ToBytes(), SecretRole.Current), () => WrappedSecret.Parse(entry.Current.ToBytes(), SecretRole.Pending) },
            exchange => Assert.Equal(ErrorIds.KeyStoreDamaged, Assert.Throws<InvalidImageException>(exchange).ErrorId));
    }

    [Fact]
    public void A_wrapped_secret_opens_in_its_own_record_only()
    {
        using StoreKey key = StoreSample.Key();
        DiskKeyEntry first = StoreSample.Entry(key, 1);
        DiskKeyEntry second = StoreSample.Entry(key, 2);
        DiskKeyEntry[] forgeries =
        [
            first with { Current = second.Current },
            first with { Id = second.Id },
            first with { Disk = first.Disk with { Path = "/vm/other" } },
            first with { Disk = first.Disk with { VM = null } },
            first with { Disk = first.Disk with { VMUuid = Guid.Empty } },
            first with { Disk = first.Disk with { LuksUuid = null, HeaderPath = first.Disk.LuksUuid } },
            first with { Current = first.Current with { Slot = 1 } },
            first with { Current = first.Current with { Role = SecretRole.Pending } },
        ];

        key.Unwrap(first, first.Current).Dispose();
        Assert.All(forgeries, forgery => Assert.Equal(ErrorIds.DiskKeyForged,
            Assert.Throws<InvalidImageException>(() => key.Unwrap(forgery, forgery.Current)).ErrorId));
    }

    [Fact]
    public void The_wrapping_is_plain_AES_256_GCM_under_HKDF()
    {
        using StoreKey key = StoreSample.Key();
        DiskKeyEntry entry = StoreSample.Entry(key, 7);
        byte[] store = Convert.FromHexString("0F0E0D0C0B0A09080706050403020100");
        byte[] sealing = HKDF.DeriveKey(HashAlgorithmName.SHA256,
            [.. Enumerable.Range(0, 32).Select(i => (byte)i)], 32, store, Encoding.ASCII.GetBytes("vmcrypt key store: secrets"));
        byte[] disk = [0, 11, .. "/vm/7.qcow2"u8, 0, 0, 0, 6, .. "luks-7"u8, 0, 3, .. "vm7"u8, 0, 0, 0, 0];
        byte[] bound = [.. "vmcrypt disk key 1"u8, .. store, .. new byte[] { 0, 0, 0, 8 }, .. new byte[12], 1, 0, 0, 0, (byte)disk.Length, .. disk];
        byte[] plain = new byte[16];
        using var gcm = new AesGcm(sealing, 16);
        gcm.Decrypt(entry.Current.Nonce, entry.Current.Ciphertext, entry.Current.Tag, plain, bound);

        Assert.All(plain, value => Assert.Equal(7, value));
    }
}
