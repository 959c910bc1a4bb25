namespace VmCrypt.Core.Images;

/// <summary>What is wrong with the tables of a file, a sentence each. A hostile file has as many wrong entries as it likes: so many are enough.</summary>
internal sealed class HostDefects
{
    private const int Max = 100;

    private readonly List<string> _sentences = [];

    public IReadOnlyList<string> Sentences => _sentences;

    /// <summary>Nobody needs to know more; what the remaining entries name counts as unused, and is judged as that.</summary>
    public bool IsFull => _sentences.Count == Max;

    public void Add(string sentence)
    {
        if (!IsFull)
        {
            _sentences.Add(sentence);
        }
    }
}
