using System.Management.Automation;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Export;

/// <summary>What the commands that convert disks in their place take in order to serve them meanwhile.</summary>
public sealed class LiveServingParameters : ServingParameters
{
    /// <summary>Serve the disk while it is converted, and on until it is locked.</summary>
    [Parameter]
    public SwitchParameter Serve { get; set; }

    /// <param name="chain">The images behind the disk are converted, too.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>.</exception>
    internal void RequireLive(bool chain)
    {
        if (Serve && chain)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-Serve takes one disk, without -Chain.");
        }

        if (!Serve && IsAnyGiven)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Where and to whom to serve goes with -Serve.");
        }

        Require(serves: Serve);
        if (Socket is not null && HasTcp)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -Socket, and -Address with -Port.");
        }
    }
}
