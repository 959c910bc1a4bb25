namespace VmCrypt.Core.Tests.Reencryption;

public sealed class ReencryptionTests
{
    public static TheoryData<string> Names => [.. Conversion.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_guest_finds_its_bytes(string name)
    {
        Conversion conversion = await Conversion.CreateAsync(name);

        await conversion.RunAsync();

        await conversion.VerifyAsync();
    }
}
