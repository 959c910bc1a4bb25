using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Tests.Proof;

/// <summary>Verdicts on an encrypted overlay over a plain disk.</summary>
public sealed class BackingProofTests : IDisposable
{
    private readonly ProofLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task A_plain_backing_image_makes_the_disk_mixed()
    {
        await MakeAsync();
        await _lab.WriteAsync("disk", 0, UniformityTestTests.Text(4096));

        ImageProof proof = await _lab.ProveAsync("disk", key: true);

        Assert.Equal((ProofVerdict.Mixed, ProofConfidence.Observed), (proof.Verdict, proof.Confidence));
        Assert.Equal([(LayerRole.Active, ProofVerdict.Encrypted), (LayerRole.Backing, ProofVerdict.Plain)], proof.Layers.Select(layer => (layer.Role, layer.Verdict)));
        Assert.All(proof.Findings, finding => Assert.Equal(_lab["base"], finding.Path));
        Assert.Contains(proof.Weaknesses, weakness => weakness.Id == "BackingPlain");
    }

    [Fact]
    public async Task An_empty_overlay_over_a_plain_disk_is_mixed()
    {
        await MakeAsync();

        Assert.Equal(ProofVerdict.Mixed, (await _lab.ProveAsync("disk")).Verdict);
    }

    [Fact]
    public async Task A_backing_image_that_is_missing_leaves_the_disk_unproven()
    {
        await MakeAsync();
        await _lab.WriteAsync("disk", 0, UniformityTestTests.Text(65536));
        File.Delete(_lab["base"]);

        ImageProof proof = await _lab.ProveAsync("disk");

        Assert.Equal(ProofVerdict.Unproven, proof.Verdict);
        Assert.Contains(proof.NotChecked, sentence => sentence.Contains("base", StringComparison.Ordinal));
    }

    private async Task MakeAsync()
    {
        File.WriteAllBytes(_lab["base"], UniformityTestTests.Text(ProofLab.Size));
        await _lab.CreateAsync("disk", new NewDisk
        {
            Size = ProofLab.Size,
            Encryption = ProofLab.Luks,
            Qcow2 = new Qcow2CreateOptions { Size = ProofLab.Size, BackingPath = "base", BackingFormat = "raw" },
        });
    }
}
