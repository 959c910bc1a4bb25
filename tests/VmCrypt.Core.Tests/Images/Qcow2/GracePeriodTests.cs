using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

public sealed class GracePeriodTests
{
    [Fact]
    public void Ends_when_everybody_who_came_before_has_left()
    {
        var grace = new GracePeriod();
        GracePeriod.Visit early = grace.Enter();
        GracePeriod.Generation first = grace.Advance();
        GracePeriod.Visit late = grace.Enter();
        GracePeriod.Generation second = grace.Advance();
        Assert.False(grace.HasEnded(first));

        late.Dispose();
        Assert.False(grace.HasEnded(second), "a visitor of an earlier generation is still there");
        early.Dispose();

        Assert.True(grace.HasEnded(first));
        Assert.True(grace.HasEnded(second));
    }

    [Fact]
    public void Does_not_wait_for_those_who_come_later()
    {
        var grace = new GracePeriod();
        GracePeriod.Generation generation = grace.Advance();
        using GracePeriod.Visit late = grace.Enter();

        Assert.True(grace.HasEnded(generation));
    }
}
