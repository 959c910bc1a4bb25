using VmCrypt.Cli.Binding;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Tests.Binding;

public sealed class ArgumentBinderTests : IDisposable
{
    private readonly SampleCommand _command = new();

    public void Dispose() => _command.Dispose();

    [Fact]
    public void Binds_names_positions_switches_and_beginnings_of_names()
    {
        ArgumentBinder binder = Bind("a.img", "20GB", "-fo", "-Fl:$false", "-day", "tues", "-Slot", "7");

        Assert.Equal(["a.img"], _command.Path);
        Assert.Equal(20L << 30, _command.Size);
        Assert.True(_command.Force);
        Assert.False(_command.Flag);
        Assert.Equal(DayOfWeek.Tuesday, _command.Day);
        Assert.Equal(7, _command.Slot);
        Assert.Equal("Path", binder.ParameterSet);
    }

    [Fact]
    public void A_switch_can_be_switched_off() => Assert.False(Bound("a", "-Force:$false").Force);

    [Fact]
    public void Splits_arrays_at_commas_but_not_at_escaped_ones() => Assert.Equal(["a", "b,c"], Bound(@"a,b\,c").Path);

    [Fact]
    public void Takes_what_a_shell_made_of_wildcards() => Assert.Equal(["a", "b", "c"], Bound("-Size", "1", "-Path", "a", "b", "c").Path);

    [Fact]
    public void Everything_after_two_dashes_is_a_value() => Assert.Equal(["-Force"], Bound("--", "-Force").Path);

    [Fact]
    public void A_parameter_of_one_set_alone_chooses_it() => Assert.Equal("LiteralPath", Bind("-PSPath", "x").ParameterSet);

    [Fact]
    public void Reads_the_types_of_the_engine()
    {
        Bind("a", "-Uuid", "7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42", "-Since", "2026-11-20", "-Mode", "FULL", "-Model", "abc", "-Size", "1.5TiB");

        Assert.Equal(Guid.Parse("7c8d2a54-2f0e-4b61-9d3e-6f1a0c5b9e42"), _command.Uuid);
        Assert.Equal(new DateTime(2026, 11, 20, 0, 0, 0, DateTimeKind.Local), _command.Since);
        Assert.Equal(3L << 39, _command.Size);
    }

    [Theory]
    [InlineData(ErrorIds.NamedParameterNotFound, "a", "-Nothing", "x")]
    [InlineData(ErrorIds.NamedParameterNotFound, "a", "-WhatIf")]
    [InlineData(ErrorIds.AmbiguousParameter, "a", "-Mod", "x")]
    [InlineData(ErrorIds.ParameterAlreadyBound, "a", "-Size", "1", "-Size", "2")]
    [InlineData(ErrorIds.MissingArgument, "a", "-Size")]
    [InlineData(ErrorIds.MissingArgument, "a", "-Size", "-Force")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Size", "large")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Size", "1.5")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Slot", "3000000000")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Day", "T")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Day", "1")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Flag", "maybe")]
    [InlineData(ErrorIds.CannotConvertArgument, "a", "-Uuid", "x")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "a", "-Slot", "8")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "a", "-Size", "0")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "a", "-Mode", "half")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "a", "-Model", "1")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "a", "-Label", "")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "")]
    [InlineData(ErrorIds.ParameterArgumentValidationError, "-Size", "1", "-Path", "a", "")]
    [InlineData(ErrorIds.SecretSourceInvalid, "a", "-Passphrase", "hunter2")]
    [InlineData(ErrorIds.SecretSourceInvalid, "a", "-Passphrase", "file:/nowhere/at/all")]
    [InlineData(ErrorIds.SecretSourceInvalid, "a", "-Passphrase", "env:VMCRYPT_NOT_SET")]
    [InlineData(ErrorIds.SecretSourceInvalid, "a", "-Passphrase", "fd:997")]
    public void Refuses(string errorId, params string[] arguments) =>
        Assert.Equal(errorId, Assert.Throws<InvalidInputException>(() => Bind(arguments)).ErrorId);

    [Theory]
    [InlineData(ErrorIds.MissingMandatoryParameter)]
    [InlineData(ErrorIds.MissingMandatoryParameter, "-Size", "1")]
    [InlineData(ErrorIds.AmbiguousParameterSet, "-Path", "a", "-LiteralPath", "b")]
    public void Refuses_when_the_set_is_chosen(string errorId, params string[] arguments)
    {
        ArgumentBinder binder = Bind(arguments);
        Assert.Equal(errorId, Assert.Throws<InvalidInputException>(() => binder.ParameterSet).ErrorId);
    }

    [Fact]
    public void Wants_records_only_when_something_mandatory_is_missing()
    {
        Assert.True(Bind("-Size", "1").WantsRecords);
        using var complete = new SampleCommand();
        Assert.False(SampleCommand.Bind(complete, "a").WantsRecords);
    }

    [Fact]
    public void A_record_brings_what_its_properties_name_and_the_next_starts_afresh()
    {
        ArgumentBinder binder = Bind("-Slot", "3");

        Assert.Equal("LiteralPath", binder.BindRecord(new PipelineRecord("""{"PSPath":"/a","size":4096,"Slot":5,"Other":{"x":1}}""")));
        Assert.Equal(["/a"], _command.LiteralPath);
        Assert.Equal(4096, _command.Size);
        Assert.Equal(3, _command.Slot);

        Assert.Equal("Path", binder.BindRecord(new PipelineRecord("/b, really")));
        Assert.Equal(["/b, really"], _command.Path);
        Assert.Empty(_command.LiteralPath);
        Assert.Null(_command.Size);
    }

    [Fact]
    public void Refuses_a_line_that_begins_like_JSON_and_is_none() =>
        Assert.Equal(ErrorIds.CannotConvertArgument, Assert.Throws<InvalidInputException>(() => new PipelineRecord("{oops")).ErrorId);

    private SampleCommand Bound(params string[] arguments)
    {
        Bind(arguments);
        return _command;
    }

    private ArgumentBinder Bind(params string[] arguments) => SampleCommand.Bind(_command, arguments);
}
