using VmCrypt.Core.Block;

namespace VmCrypt.Core.Reencryption;

/// <summary>What a header beside an image is there for.</summary>
internal enum HeaderStage
{
    /// <summary>The image is untouched but for its length; the header may be thrown away.</summary>
    Prepared,

    /// <summary>The image cannot be read without this header.</summary>
    Active,
}

/// <summary>Keeps the header of an image beside it while there is no room for it in the image.</summary>
internal interface IHeaderShelf
{
    bool Has(HeaderStage stage);

    /// <summary>Makes a header, which appears when it is complete and on the medium.</summary>
    ValueTask CreateAsync(HeaderStage stage, long length, Func<IBlockDevice, ValueTask> fill, CancellationToken cancellationToken);

    /// <summary>Opens a header for writing; the caller disposes it.</summary>
    ValueTask<IBlockDevice> OpenAsync(HeaderStage stage, CancellationToken cancellationToken);

    /// <summary>Makes the prepared header the active one, in one step.</summary>
    void Promote();

    /// <summary>Removes a header, which may not exist.</summary>
    void Delete(HeaderStage stage);
}
