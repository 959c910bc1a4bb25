using System.Diagnostics;
using System.Text;
using System.Text.Json.Serialization;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Configuration;

public sealed class ConfigurationFolderTests
{
    [Theory]
    [InlineData("VMCRYPT_CONFIG=/x;HOME=/home/a", false, true, "/x")]
    [InlineData("HOME=/root", false, true, "/etc/vmcrypt")]
    [InlineData("HOME=/home/a", false, false, "/home/a/.config/vmcrypt")]
    [InlineData("HOME=/home/a;XDG_CONFIG_HOME=/home/a/cfg", false, false, "/home/a/cfg/vmcrypt")]
    [InlineData("HOME=/home/a;XDG_CONFIG_HOME=cfg", false, false, "/home/a/.config/vmcrypt")]
    [InlineData("HOME=/home/a;VMCRYPT_CONFIG=", false, false, "/home/a/.config/vmcrypt")]
    public void Follows_the_rule(string environment, bool windows, bool privileged, string expected)
    {
        Dictionary<string, string> variables = environment.Split(';').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);

        Assert.Equal(expected, ConfigurationFolder.Resolve(name => variables.GetValueOrDefault(name), windows, privileged));
    }

    [Fact]
    public void Lives_in_the_program_data_of_Windows() => Assert.Equal(
        Path.Combine(@"D:\Data", "VmCrypt"),
        ConfigurationFolder.Resolve(name => name == "ProgramData" ? @"D:\Data" : null, windows: true, privileged: true));
}

public sealed partial class JsonStoreTests : IDisposable
{
    private static readonly CancellationToken s_ct = CancellationToken.None;

    private readonly ConfigurationFolder _folder = new(Directory.CreateTempSubdirectory("vmcrypt-").FullName);

    public void Dispose() => Directory.Delete(_folder.Path, recursive: true);

    [Fact]
    public async Task Nothing_stored_reads_as_the_default() => Assert.Equal(new Document(), await Store().ReadAsync(s_ct));

    [Fact]
    public async Task Changes_do_not_get_lost_between_writers()
    {
        await Parallel.ForAsync(0, 50, s_ct, async (_, ct) =>
            await Store().UpdateAsync(document => document with { Count = document.Count + 1 }, ct));

        Assert.Equal(50, (await Store().ReadAsync(s_ct)).Count);
        Assert.Equal(["document.json", "document.json.lock"], Directory.EnumerateFiles(_folder.Path).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{\"count\":1,\"count\":2}")]
    [InlineData("{\"counter\":1}")]
    [InlineData("{\"names\":[\"a\",null]}")]
    [InlineData("{\"count\":1")]
    public async Task Refuses_what_is_no_document(string text)
    {
        File.WriteAllText(_folder["document.json"], text);
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => Store().ReadAsync(s_ct));
        Assert.Equal(ErrorIds.ConfigurationInvalid, error.ErrorId);
    }

    [Fact]
    public async Task Passes_over_the_mark_that_some_editors_put_first()
    {
        File.WriteAllText(_folder["document.json"], "{\"count\":7}", Encoding.UTF8);

        Assert.Equal(7, (await Store().ReadAsync(s_ct)).Count);
    }

    [Fact]
    public async Task A_failed_change_leaves_the_old_document()
    {
        await Store().UpdateAsync(_ => new Document { Count = 1 }, s_ct);
        await Assert.ThrowsAsync<InvalidInputException>(() => Store().UpdateAsync(
            _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "no"), s_ct));

        Assert.Equal(1, (await Store().ReadAsync(s_ct)).Count);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherWrite)]
    public async Task Refuses_a_document_that_others_can_write(UnixFileMode mode)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix modes");
        Debug.Assert(!OperatingSystem.IsWindows());
        await Store().UpdateAsync(_ => new Document { Count = 1 }, s_ct);
        File.SetUnixFileMode(_folder["document.json"], UnixFileMode.UserRead | mode);

        var error = await Assert.ThrowsAsync<RefusedException>(() => Store().ReadAsync(s_ct));

        Assert.Equal(ErrorIds.ConfigurationUnsafe, error.ErrorId);
    }

    [Fact]
    public async Task Refuses_a_folder_that_others_can_write()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix modes");
        Debug.Assert(!OperatingSystem.IsWindows());
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)0b111_111_111);

        var error = await Assert.ThrowsAsync<RefusedException>(() => Store().ReadAsync(s_ct));

        Assert.Equal(ErrorIds.ConfigurationUnsafe, error.ErrorId);
    }

    private JsonStore<Document> Store() => new(_folder, "document.json", DocumentContext.Default.Document);

    internal sealed record Document
    {
        public int Count { get; init; }

        public string[]? Names { get; init; }
    }

    [JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(Document))]
    internal sealed partial class DocumentContext : JsonSerializerContext;
}
