using System.Diagnostics.CodeAnalysis;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>PAM's account checks with the identity as the user: no password is asked for, the certificate has proven enough.</summary>
/// <remarks>
/// A module may wait for a server that is away, and nobody can stop it. So each check has a thread of its own, and there are only so
/// many of them: whoever finds no free one, or gets no answer in time, is refused and told why; the thread is free again when its
/// module has answered.
/// </remarks>
[SuppressMessage("Design", "CA1001", Justification = "A check that nobody waits for any more frees its place later.")]
internal sealed class PamAuthorization : NbdAuthorization
{
    public const int MaxChecks = 8;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _free = new(MaxChecks);
    private readonly string _service;
    private readonly Func<string, string, int> _check;
    private readonly TimeSpan _patience;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.PamUnavailable"/>.</exception>
    public PamAuthorization(string service)
    {
        // The name becomes a path below /etc/pam.d.
        if (service.Length == 0 || service[0] == '.' || !service.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"'{service}' is no name of a PAM service.");
        }

        if (!OperatingSystem.IsLinux() || !LibPam.IsInstalled)
        {
            throw new UnsupportedFeatureException(ErrorIds.PamUnavailable, "This machine has no PAM (libpam.so.0).");
        }

        _service = service;
        _check = LibPam.CheckAccount;
        _patience = s_patience;
    }

    /// <param name="check">Takes the place of PAM.</param>
    internal PamAuthorization(string service, Func<string, string, int> check, TimeSpan patience)
    {
        _service = service;
        _check = check;
        _patience = patience;
    }

    internal override bool Allows(string identity, out string why)
    {
        if (!_free.Wait(_patience))
        {
            why = $"PAM service '{_service}' has not answered for {MaxChecks} others yet";
            return false;
        }

        Task<int> check = Check(identity);
        why = Task.WaitAny([check], _patience) < 0 ? $"PAM service '{_service}' has not answered within {_patience.TotalSeconds:0.#} s"
            : check.GetAwaiter().GetResult() is not LibPam.Success and var verdict ? $"PAM service '{_service}' answers {verdict}"
            : string.Empty;
        return why.Length == 0;
    }

    // Not on a thread of the pool, which others need.
    private Task<int> Check(string identity) => Task.Factory.StartNew(
        () =>
        {
            try
            {
                return _check(_service, identity);
            }
            finally
            {
                _free.Release();
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
