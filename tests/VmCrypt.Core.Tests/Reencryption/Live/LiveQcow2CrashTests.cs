using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>A machine that dies while a qcow2 image is converted and used, once or over and over.</summary>
public sealed class LiveQcow2CrashTests
{
    private const int Points = 8;
    private const int Tiny = 512;
    private const int Rounds = 4;

    public static TheoryData<ReencryptionMode, ReencryptionResilience, int, bool> Samples => new()
    {
        { ReencryptionMode.Encrypt, ReencryptionResilience.Checksum, Tiny, true },
        { ReencryptionMode.Encrypt, ReencryptionResilience.Journal, Qcow2Sample.ClusterSize, false },
        { ReencryptionMode.Reencrypt, ReencryptionResilience.Checksum, Tiny, false },
        { ReencryptionMode.Reencrypt, ReencryptionResilience.Journal, Qcow2Sample.ClusterSize, true },
        { ReencryptionMode.Decrypt, ReencryptionResilience.Checksum, Qcow2Sample.ClusterSize, true },
        { ReencryptionMode.Decrypt, ReencryptionResilience.Journal, Tiny, false },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task What_the_guest_flushed_is_there(ReencryptionMode mode, ReencryptionResilience resilience, int clusterSize, bool snapshot)
    {
        Qcow2Sample sample = await CreateAsync(mode, resilience, clusterSize, snapshot);
        Recording recording = await UseAsync(sample, seed: (int)mode, turns: int.MaxValue);

        int step = ((recording.Log.Count - recording.Begun) / Points) | 1;
        for (int count = recording.Begun; count <= recording.Log.Count; count += step)
        {
            Qcow2Sample left = sample.With(recording.After(count));
            await GoOnAsync(left, served: count % 3 == 0);

            await recording.Model.CheckAsync(
                new MemoryDevice(await left.ReadAsync()), count, $"{mode}, {count} of {recording.Log.Count} effects", Sample.Token);
            await left.RequireSnapshotAsync();
            Assert.Equal(0, (await Qcow2Check.RunAsync(left.File, Sample.Token)).Corruptions);
        }
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task Who_is_stopped_over_and_over_loses_nothing(ReencryptionMode mode, ReencryptionResilience resilience, int clusterSize, bool snapshot)
    {
        Qcow2Sample sample = await CreateAsync(mode, resilience, clusterSize, snapshot);
        for (int round = 0; round < Rounds && (round == 0 || await IsAtWorkAsync(sample)); round++)
        {
            (await FindAsync(sample)).CopyTo(sample.Plain, 0);
            Recording recording = await UseAsync(sample, seed: round, turns: 1);
            int count = Math.Max(recording.Begun, recording.Log.Count - (round % 3 * 4));
            Qcow2Sample left = sample.With(recording.After(count));

            await recording.Model.CheckAsync(new MemoryDevice(await FindAsync(left)), count, $"{mode}, round {round}", Sample.Token);
            sample = left;
        }

        await GoOnAsync(sample, served: false);
        await sample.RequireSnapshotAsync();
        Assert.Equal(0, (await Qcow2Check.RunAsync(sample.File, Sample.Token)).Corruptions);
    }

    /// <summary>Converts the disk while a guest uses it, to the end or for so many turns of the guest.</summary>
    private static async Task<Recording> UseAsync(Qcow2Sample sample, int seed, int turns)
    {
        var log = new EffectLog();
        var model = new DurabilityModel([.. sample.Plain], log, seed);
        byte[] before = sample.File.ToArray();
        RecordingDevice? device = null;
        await using LiveConversion live = await sample.With([.. before]).StartLiveAsync(file => new SlowDevice(device = new RecordingDevice(file, log)));
        int begun = log.Count;
        for (int turn = 0; turn < turns && !live.Completion.IsCompleted; turn++)
        {
            await model.RunAsync(live.Disk, turns == 1 ? 1 : 5, Sample.Token);
        }

        await (turns == int.MaxValue ? live.Completion : live.StopAsync());
        return new Recording(before, log, device!, model, begun);
    }

    private static async Task<byte[]> FindAsync(Qcow2Sample sample)
    {
        Qcow2Sample ended = sample.Clone();
        await GoOnAsync(ended, served: false);
        return await ended.ReadAsync();
    }

    private static async Task GoOnAsync(Qcow2Sample sample, bool served)
    {
        if (!await sample.IsUnfinishedAsync())
        {
            return;
        }

        if (served && await IsAtWorkAsync(sample))
        {
            await using LiveConversion live = await sample.StartLiveAsync();
            await live.Completion;
            return;
        }

        await sample.ResumeAsync();
    }

    /// <summary>There are zones left.</summary>
    private static async Task<bool> IsAtWorkAsync(Qcow2Sample sample) =>
        await sample.IsUnfinishedAsync() && !(await sample.JournalAsync()).State.IsFinished;

    private static async Task<Qcow2Sample> CreateAsync(ReencryptionMode mode, ReencryptionResilience resilience, int clusterSize, bool snapshot)
    {
        Qcow2Sample sample = await Qcow2Sample.CreateAsync(mode, resilience, clusterSize);
        await (snapshot ? sample.TakeSnapshotAsync() : Task.CompletedTask);
        return sample;
    }

    private sealed record Recording(byte[] Before, EffectLog Log, RecordingDevice Device, DurabilityModel Model, int Begun)
    {
        // Every other time the process alone dies, and what it wrote is there.
        public byte[] After(int count)
        {
            var history = new DiskHistory(Before, Log.Effects, Device);
            return (count % 2 == 0 ? history.After(count) : history.AfterPowerCut(count, count)).ToArray();
        }
    }
}
