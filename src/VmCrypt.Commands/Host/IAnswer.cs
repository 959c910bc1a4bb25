namespace VmCrypt.Commands.Host;

/// <summary>The answer of a Test- command that says more than yes or no; <c>vmcrypt</c> makes its exit code of it.</summary>
internal interface IAnswer
{
    bool IsYes { get; }
}
