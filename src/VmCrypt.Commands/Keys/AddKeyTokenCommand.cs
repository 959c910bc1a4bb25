using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Stores tokens in LUKS2 images, or assigns those that are there to more key slots.</summary>
[Cmdlet(VerbsCommon.Add, "KeyToken", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(KeyToken))]
public sealed class AddKeyTokenCommand : ImageCmdlet
{
    /// <summary>The token, as cryptsetup imports it.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Json { get; set; }

    /// <summary>A file that holds the token's JSON.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? JsonFile { get; set; }

    /// <summary>The description of a key in the kernel's keyring, for a token of the type luks2-keyring.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? KeyDescription { get; set; }

    /// <summary>The number to store it under; null for the first free one.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Token { get; set; }

    /// <summary>The slots that it opens; null for those that the JSON names.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int[]? KeySlot { get; set; }

    /// <summary>Replace the token that has the number.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions;
        object?[] sources = [Json, JsonFile, KeyDescription];
        int given = sources.Count(source => source is not null);
        if (given > 1 || (given == 0 && (Token is null || KeySlot is null)))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "Say what to store by one of -Json, -JsonFile and -KeyDescription; or give -Token and -KeySlot to assign a token that is there.");
        }

        if (given == 0)
        {
            Assign(location, options, Token!.Value, KeySlot!);
        }
        else if (Shell.ShouldProcess(location.Text, Force && Token is not null ? $"Store token {Token}, whatever is there" : "Store a token"))
        {
            var made = new NewKeyToken
            {
                Json = JsonFile is null ? Json : KeyTokenFile.Read(Shell.ResolveNewPath(JsonFile)),
                KeyDescription = KeyDescription,
                Number = Token,
                KeySlots = KeySlot,
                Replace = Force,
            };
            Write(location, options, Run(token => KeyTokens.AddAsync(location, options, made, token)));
        }
    }

    private void Assign(DiskLocation location, DiskOpenOptions options, int number, int[] slots)
    {
        if (Shell.ShouldProcess(location.Text, $"Assign token {number} to key slot {string.Join(", ", slots)}"))
        {
            Run(token => KeyTokens.AssignAsync(location, options, number, present => present.Union(slots), token));
            Write(location, options, number);
        }
    }

    private void Write(DiskLocation location, DiskOpenOptions options, int number)
    {
        IReadOnlyList<KeyTokenFacts> tokens = Run(token => KeyTokens.ListAsync(location, options, token));
        Shell.WriteObject(new KeyToken(location.Text, options.HeaderPath, tokens.First(facts => facts.Number == number)));
    }
}
