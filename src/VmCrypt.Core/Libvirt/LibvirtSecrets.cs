using System.Buffers.Text;
using System.Text.RegularExpressions;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Libvirt;

/// <summary>The secrets of one libvirt.</summary>
/// <param name="connectUri">Such as <c>qemu:///system</c> or <c>qemu+ssh://host/system</c>.</param>
public sealed partial class LibvirtSecrets(string connectUri)
{
    private readonly Virsh _virsh = new(connectUri);

    /// <summary>Those that have a usage, which is what definitions refer to.</summary>
    public async Task<IReadOnlyList<LibvirtSecret>> ListAsync(CancellationToken cancellationToken)
    {
        var secrets = new List<LibvirtSecret>();
        foreach (Match line in Uuid().Matches(await _virsh.RunAsync(cancellationToken, "secret-list")))
        {
            // It may have gone since it was listed.
            if (await DefinitionAsync(line.Value, cancellationToken) is { } definition)
            {
                SecretOptions options = definition.Options;
                secrets.Add(new LibvirtSecret(Guid.Parse(line.Value), definition.Usage, definition.Name, options.Description, options.IsEphemeral, options.IsPrivate, connectUri));
            }
        }

        return secrets;
    }

    /// <summary>The secret that a definition means; null where there is none.</summary>
    public async Task<LibvirtSecret?> FindAsync(SecretReference reference, SecretUsage usage, CancellationToken cancellationToken) =>
        (await ListAsync(cancellationToken)).FirstOrDefault(secret => secret.IsMeantBy(reference, usage));

    /// <summary>Defines a secret and sets its value; one that is there for the same usage keeps its UUID and is defined anew.</summary>
    /// <param name="value">Travels through a pipe to virsh; borrowed.</param>
    /// <param name="replace">Take the place of a secret that is there.</param>
    /// <remarks>
    /// Define, then set: a failure between the two undefines a secret that was not there before. A crash there leaves a secret
    /// without a value, which the next call completes.
    /// </remarks>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LibvirtSecretExists"/>, <see cref="ErrorIds.LibvirtRefused"/>.</exception>
    public async Task<LibvirtSecret> RegisterAsync(SecretDefinition definition, SecretBuffer value, bool replace, CancellationToken cancellationToken)
    {
        LibvirtSecret? present = (await ListAsync(cancellationToken)).FirstOrDefault(secret =>
            secret.Uuid == definition.Options.Uuid || (secret.Usage == definition.Usage && secret.Name == definition.Name));
        if (present is not null && !replace)
        {
            throw new RefusedException(ErrorIds.LibvirtSecretExists,
                $"The secret {present.Uuid} for {present.Name} is there; to give it another value must be asked for.");
        }

        Guid uuid = present?.Uuid ?? definition.Options.Uuid ?? Guid.NewGuid();
        var complete = new SecretDefinition(definition.Usage, definition.Name, definition.Options with { Uuid = uuid });
        await _virsh.PipeAsync(complete.ToString(), cancellationToken, "secret-define", "--file", Virsh.Input);
        try
        {
            await SetValueAsync(uuid, value, cancellationToken);
        }
        catch when (present is null)
        {
            await _virsh.RunAsync(CancellationToken.None, "secret-undefine", "--secret", uuid.ToString("D"));
            throw;
        }

        SecretOptions options = complete.Options;
        return new LibvirtSecret(uuid, complete.Usage, complete.Name, options.Description, options.IsEphemeral, options.IsPrivate, connectUri);
    }

    /// <summary>Forgets a secret and its value.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.LibvirtSecretMissing"/>.</exception>
    public Task UnregisterAsync(Guid uuid, CancellationToken cancellationToken) =>
        _virsh.RunAsync(cancellationToken, "secret-undefine", "--secret", uuid.ToString("D"));

    /// <summary>The value of a secret, which the caller disposes; null where it has none, or libvirt keeps it to itself.</summary>
    internal async Task<SecretBuffer?> ValueAsync(Guid uuid, CancellationToken cancellationToken)
    {
        try
        {
            return await _virsh.ReadSecretAsync(cancellationToken, "secret-get-value", "--secret", uuid.ToString("D"));
        }
        catch (RefusedException refusal) when (refusal.ErrorId == ErrorIds.LibvirtRefused)
        {
            return null;
        }
    }

    /// <summary>Gives a secret that is there another value.</summary>
    /// <param name="value">Travels through a pipe to virsh; borrowed.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.LibvirtSecretMissing"/>.</exception>
    internal async Task SetValueAsync(Guid uuid, SecretBuffer value, CancellationToken cancellationToken)
    {
        // In base64 virsh takes any bytes, in every version that reads a file at all.
        using var encoded = new SecretBuffer(Base64.GetMaxEncodedToUtf8Length(value.Length));
        Base64.EncodeToUtf8(value.Span, encoded.Span, out _, out _);
        await _virsh.PipeAsync(encoded.Memory, cancellationToken, "secret-set-value", "--secret", uuid.ToString("D"), "--file", Virsh.Input);
    }

    private async Task<SecretDefinition?> DefinitionAsync(string uuid, CancellationToken cancellationToken)
    {
        try
        {
            return SecretDefinition.Parse(await _virsh.RunAsync(cancellationToken, "secret-dumpxml", "--secret", uuid));
        }
        catch (MissingException gone) when (gone.ErrorId == ErrorIds.LibvirtSecretMissing)
        {
            return null;
        }
    }

    [GeneratedRegex(@"(?<=^\s*)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", RegexOptions.ExplicitCapture | RegexOptions.Multiline, 1000)]
    private static partial Regex Uuid();
}
