using System.Runtime.InteropServices;
using System.Security;
using System.Text;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Cli.Binding;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Tests.Binding;

public sealed partial class SecretArgumentTests : IDisposable
{
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Theory]
    [InlineData("secret", "secret")]
    [InlineData("secret\n", "secret")]
    [InlineData("secret\r\n", "secret")]
    [InlineData("secret\n\n", "secret\n")]
    [InlineData("pä𝄞ss", "pä𝄞ss")]
    [InlineData("", "")]
    public void Reads_a_file_and_drops_one_newline(string content, string expected)
    {
        File.WriteAllText(_file, content);
        Assert.Equal(expected, Utf8(SecretArgument.Read("file:" + _file)));
    }

    [Fact]
    public void Reads_a_variable()
    {
        Environment.SetEnvironmentVariable("VMCRYPT_TEST_SECRET", "from env");
        Assert.Equal("from env", Utf8(SecretArgument.Read("env:VMCRYPT_TEST_SECRET")));
    }

    [Fact]
    public void Reads_a_descriptor_that_was_handed_over()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no numbered descriptors");
        File.WriteAllText(_file, "from fd\n");
        using SafeFileHandle own = File.OpenHandle(_file);
        using var inherited = new SafeFileHandle(Duplicate((int)own.DangerousGetHandle()), ownsHandle: true);
        Assert.Equal("from fd", Utf8(SecretArgument.Read($"fd:{inherited.DangerousGetHandle()}")));
    }

    [Fact]
    public void Refuses_a_descriptor_that_only_the_runtime_has()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no numbered descriptors");
        File.WriteAllText(_file, "not meant\n");
        using SafeFileHandle own = File.OpenHandle(_file);
        var refusal = Assert.Throws<InvalidInputException>(() => SecretArgument.Read($"fd:{own.DangerousGetHandle()}"));
        Assert.Equal(ErrorIds.SecretSourceInvalid, refusal.ErrorId);
    }

    [Fact]
    public void Refuses_bytes_that_are_no_text()
    {
        File.WriteAllBytes(_file, [0xff, 0xfe, 0x00]);
        Assert.Equal(ErrorIds.SecretSourceInvalid, Assert.Throws<InvalidInputException>(() => SecretArgument.Read("file:" + _file)).ErrorId);
    }

    [Fact]
    public void Refuses_what_is_too_long_for_a_passphrase()
    {
        File.WriteAllText(_file, new string('x', (64 * 1024) + 1));
        Assert.Equal(ErrorIds.SecretSourceInvalid, Assert.Throws<InvalidInputException>(() => SecretArgument.Read("file:" + _file)).ErrorId);
    }

    private static string Utf8(SecureString text)
    {
        using SecretBuffer secret = SecretSource.Utf8Of(text);
        return Encoding.UTF8.GetString(secret.Span);
    }

    // Of a duplicate the system forgets that it is to be closed at an exec, as of one that a shell hands over.
    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(int descriptor);
}
