namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>A part of a libvirt secret is of a form that libvirt's schema refuses.</summary>
    public const string SecretDefinitionInvalid = nameof(SecretDefinitionInvalid);
}
