namespace VmCrypt.Core.Errors;

// The names are those that PowerShell gives to the same mistakes.
public static partial class ErrorIds
{
    /// <summary>No command has that name.</summary>
    public const string CommandNotFound = nameof(CommandNotFound);

    /// <summary>The command has no parameter of that name.</summary>
    public const string NamedParameterNotFound = nameof(NamedParameterNotFound);

    /// <summary>The beginning of a parameter's name fits several parameters.</summary>
    public const string AmbiguousParameter = nameof(AmbiguousParameter);

    /// <summary>A parameter stands there twice.</summary>
    public const string ParameterAlreadyBound = nameof(ParameterAlreadyBound);

    /// <summary>A parameter's name is not followed by its value.</summary>
    public const string MissingArgument = nameof(MissingArgument);

    /// <summary>There are more arguments without a name than places for them.</summary>
    public const string PositionalParameterNotFound = nameof(PositionalParameterNotFound);

    /// <summary>A parameter that the command cannot do without is missing.</summary>
    public const string MissingMandatoryParameter = nameof(MissingMandatoryParameter);

    /// <summary>Parameters were given that do not go together.</summary>
    public const string AmbiguousParameterSet = nameof(AmbiguousParameterSet);

    /// <summary>An argument is not of its parameter's type.</summary>
    public const string CannotConvertArgument = nameof(CannotConvertArgument);

    /// <summary>An argument is of the right type, but not one that the parameter allows.</summary>
    public const string ParameterArgumentValidationError = nameof(ParameterArgumentValidationError);

    /// <summary>A secret was given as something else than <c>file:</c>, <c>env:</c>, <c>fd:</c> or <c>-</c>, or cannot be read from there.</summary>
    public const string SecretSourceInvalid = nameof(SecretSourceInvalid);

    /// <summary>Several sources were given for one secret.</summary>
    public const string SecretAmbiguous = nameof(SecretAmbiguous);

    /// <summary>A new secret was typed twice, and not the same.</summary>
    public const string SecretMismatch = nameof(SecretMismatch);

    /// <summary>A new secret is empty.</summary>
    public const string SecretEmpty = nameof(SecretEmpty);

    /// <summary>The key file is empty, too long, or shorter than the part of it that was asked for.</summary>
    public const string KeyFileInvalid = nameof(KeyFileInvalid);

    /// <summary>The change wants a confirmation, and there is nobody to ask.</summary>
    public const string ConfirmationRequired = nameof(ConfirmationRequired);

    /// <summary>No export of that image, or at that address, is served.</summary>
    public const string ExportMissing = nameof(ExportMissing);

    /// <summary>What systemd is said to have opened for the process is no listening socket.</summary>
    public const string SocketActivationInvalid = nameof(SocketActivationInvalid);

    /// <summary>SecretManagement is not there, or none of its vaults gives the secret.</summary>
    public const string VaultSecretMissing = nameof(VaultSecretMissing);
}
