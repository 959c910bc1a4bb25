namespace VmCrypt.Core.Tests.Reencryption;

public sealed class ReencryptionTests
{
    public static TheoryData<string> Names => [.. DiskConversion.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_guest_finds_its_bytes(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name);

        await conversion.RunAsync();

        await conversion.VerifyAsync();
    }
}
